"""The job of String_Reverse: reverses the characters of every line of a shard."""
