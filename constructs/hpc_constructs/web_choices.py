"""What the page's deployer chooses. Imports no CDK."""

from dataclasses import dataclass
from ipaddress import IPv4Network

# Not `is_private`, which counts the ranges of examples among them.
# Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


@dataclass(frozen=True)
class SignIn:
    """A Cognito user pool whose users the load balancer lets in."""

    user_pool_arn: str
    client_id: str
    domain: str


@dataclass(frozen=True)
class WebAccess:
    """Who may reach the page besides the VPC (IPv4 ranges), by HTTPS when there is a certificate, signed in or not."""

    cidrs: tuple[str, ...]
    certificate_arn: str
    sign_in: SignIn | None

    @property
    def internet_facing(self) -> bool:
        """Whether somebody with a public address may; private ranges, such as a VPN's, reach an internal one."""
        return not all(any(IPv4Network(cidr).subnet_of(each) for each in _PRIVATE) for cidr in self.cidrs)

    @property
    def everybody(self) -> bool:
        """Whether the whole Internet was named."""
        return any(IPv4Network(cidr).prefixlen == 0 for cidr in self.cidrs)


@dataclass(frozen=True)
class WebTasks:
    """The page's image (tag or digest), its architecture (`arm64` or `x86_64`), and how many tasks there are."""

    image: str
    architecture: str
    least: int
    most: int
