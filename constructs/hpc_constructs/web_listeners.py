"""What the page's load balancer listens to: HTTPS with or without sign-in, or HTTP under its own name."""

from aws_cdk import Duration
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_elasticloadbalancingv2_actions as actions
from constructs import Construct

from hpc_constructs.web_choices import SignIn, WebAccess

# TLS 1.3, and of 1.2 only what has forward secrecy and authenticated encryption; key exchange safe from quantum
# computers where the browser can. Source:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
TLS_POLICY = elb.SslPolicy.TLS13_12_RES_PQ
SIGNED_IN_FOR = Duration.hours(12)


def answer_https(
    balancer: elb.ApplicationLoadBalancer, targets: elb.IApplicationTargetGroup, access: WebAccess
) -> None:
    """Serves the page by HTTPS, to who has signed in if that is wanted; sends HTTP there."""
    forward = elb.ListenerAction.forward([targets])
    balancer.add_listener(
        "Https",
        port=443,
        protocol=elb.ApplicationProtocol.HTTPS,
        certificates=[elb.ListenerCertificate.from_arn(access.certificate_arn)],
        ssl_policy=TLS_POLICY,
        open=False,
        default_action=_sign_in(balancer, access.sign_in, forward) if access.sign_in else forward,
    )
    redirect = elb.ListenerAction.redirect(protocol="HTTPS", port="443", permanent=True)
    balancer.add_listener("Http", port=80, open=False, default_action=redirect)


def answer_http(
    balancer: elb.ApplicationLoadBalancer, targets: elb.IApplicationTargetGroup, _access: WebAccess
) -> None:
    """Serves the page by HTTP, under the load balancer's name only.

    Any site can make a name of its own point here; a visitor's browser would then take the page for that site's and
    let its scripts read it (DNS rebinding). With a certificate, the certificate prevents that.
    """
    refuse = elb.ListenerAction.fixed_response(
        421, content_type="text/plain", message_body="The page is served under the load balancer's name only.\n"
    )
    listener = balancer.add_listener("Http", port=80, open=False, default_action=refuse)
    listener.add_action(
        "OwnName",
        priority=1,
        conditions=[elb.ListenerCondition.host_headers([balancer.load_balancer_dns_name])],
        action=elb.ListenerAction.forward([targets]),
    )


def _sign_in(scope: Construct, sign_in: SignIn, then: elb.ListenerAction) -> elb.ListenerAction:
    """Lets the user pool's users through. The load balancer asks the pool itself, so it may reach HTTPS."""
    pool = cognito.UserPool.from_user_pool_arn(scope, "UserPool", sign_in.user_pool_arn)
    return actions.AuthenticateCognitoAction(
        user_pool=pool,
        user_pool_client=cognito.UserPoolClient.from_user_pool_client_id(scope, "Client", sign_in.client_id),
        user_pool_domain=cognito.UserPoolDomain.from_domain_name(scope, "Domain", sign_in.domain),
        # The address is what owners are called by.
        scope="openid email",
        on_unauthenticated_request=elb.UnauthenticatedAction.AUTHENTICATE,
        session_timeout=SIGNED_IN_FOR,
        next=then,
    )
