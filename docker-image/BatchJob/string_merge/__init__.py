"""The jobs of String_Repeat_Merge and String_Reverse_Merge: join a branch's shards in input order."""
