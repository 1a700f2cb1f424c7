"""The laptop platform: the templates that `cdk deploy` sends to AWS, deployed into a local AWS emulator."""
