"""Image repositories."""

from tests.synthesis import Synthesized


def test_one_repository_a_job_image_named_after_user_and_image(production: Synthesized) -> None:
    names = {repository["RepositoryName"] for repository in production.resources("AWS::ECR::Repository").values()}
    assert names - {"web_abc/page"} == {
        "batch_abc/string_split",
        "batch_abc/string_repeat",
        "batch_abc/string_reverse",
        "batch_abc/string_merge",
    }


def test_scanned_on_push_and_no_rule_expires_a_digest_that_may_be_in_use(production: Synthesized) -> None:
    for repository in production.resources("AWS::ECR::Repository").values():
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert "LifecyclePolicy" not in repository


def test_deleted_with_their_images_so_that_the_next_deployment_finds_the_names_free(production: Synthesized) -> None:
    for name, repository in production.resources("AWS::ECR::Repository").items():
        assert repository["EmptyOnDelete"] is True
        assert production.template["Resources"][name]["DeletionPolicy"] == "Delete"
