"""Settings of the page: its load balancer without a certificate, with one, and with sign-in."""

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEfGhI"
SIGN_IN = {"webUserPoolArn": POOL, "webUserPoolClientId": "1example23456789", "webUserPoolDomain": "my-lab"}
PAGES: dict[str, dict[str, str]] = {
    "plain": {},
    "certificate": {"webCertificateArn": CERTIFICATE, "webAllowedCidrs": "203.0.113.0/24,10.8.0.0/16"},
    "sign-in": {"webCertificateArn": CERTIFICATE, **SIGN_IN, "webAllowedCidrs": "0.0.0.0/0"},
}
