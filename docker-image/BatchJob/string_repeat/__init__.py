"""The job of String_Repeat: writes every line of a shard twice in a row on one line."""
