"""The parts of the deploy settings, each a table of fields with what is made of them. Imports no CDK."""
