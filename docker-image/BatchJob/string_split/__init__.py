"""The job of String_Split: cuts a text file into shards of a number of lines."""
