"""The stack of what people and scripts reach: the API and the page."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from constructs import Construct

from hpc_constructs.api_function import ApiFunction
from hpc_constructs.rest_api import RestApi
from hpc_constructs.web_page import WebPage
from hpc_constructs.workflow_parts import WorkflowFolder
from settings import Settings
from stacks.production import ProductionStack


class WebApplicationStack(Stack):
    """Submits and watches the runs of a `Production` stack, which is deployed before it. Exposes `api`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        settings: Settings,
        production: ProductionStack,
        workflows: Sequence[WorkflowFolder],
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, name, **kwargs)
        days = settings.log_retention_days
        self.function = ApiFunction(
            self,
            "Function",
            production=production.stack_name,
            run_access=production.run_access.policies,
            workflows=workflows,
            admins=settings.admins,
            log_retention_days=days,
        )
        self.api = RestApi(
            self,
            "Api",
            function=self.function.function,
            rate_limit=settings.api_rate_limit,
            burst_limit=settings.api_burst_limit,
            log_retention_days=days,
        )
        page = WebPage(
            self,
            "Page",
            vpc=production.vpc,
            repository_name=production.web_repository.name,
            access=settings.web_access,
            tasks=settings.web_tasks,
            api_endpoint=self.api.url,
            retain_access_logs=settings.retain_data,
            log_retention_days=days,
        )
        self.api.grant_invoke(page.role)
        self.function.trust_owner(page.role)
