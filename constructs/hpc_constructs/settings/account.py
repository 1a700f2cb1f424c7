"""Who deploys, and where."""

from hpc_constructs.settings.fields import SettingsPart, setting
from hpc_constructs.settings.types import EmailAddress, Region, UserName


class AccountSettings(SettingsPart):
    """Whose deployment it is."""

    user_name: UserName = setting(
        "UserName",
        ...,
        allowed="2 to 20 of a-z, 0-9 and single '-', first and last a letter or digit (made lower case)",
        example="abc",
        meaning="Who deploys: part of the names of stacks and image repositories",
    )
    email_address: EmailAddress = setting(
        "EmailAddress",
        "",
        allowed="an e-mail address",
        example="abc@example.org",
        meaning="Who is told how runs end; nobody is subscribed without it",
    )
    region: Region = setting(
        "Region",
        "us-east-1",
        allowed="an AWS Region",
        example="ap-southeast-1",
        meaning="Where everything is deployed; the AWS profile's Region is not asked",
    )
