"""What an account of AWS has already, before anything is deployed to it: bucket, database, key, image, concurrency.

What is made of it is in `deploying.py`.
"""

from __future__ import annotations

import botocore.exceptions as errors

from spotifriend_dagster.cli.session import UserError
from spotifriend_dagster.lake.aws import AwsClients, code_of, translated
from spotifriend_dagster.settings import Aws


class Account:
    """The account of whoever asks, in the region of the settings. What cannot be asked is a UserError."""

    def __init__(self, clients: AwsClients, aws: Aws) -> None:
        self._clients = clients
        self._aws = aws

    def id(self) -> str:
        """The account's twelve digits."""
        with translated(UserError, "AWS cannot be asked"):
            account: str = self._clients.client("sts").get_caller_identity()["Account"]
        return account

    def key_arn(self) -> str:
        """The ARN of the settings' key, which policies want; nothing where there is none."""
        if self._aws.kms_key is None:
            return ""
        with translated(UserError, f"The key {self._aws.kms_key} (SPOTIFRIEND_KMS_KEY) cannot be looked up"):
            arn: str = self._clients.client("kms").describe_key(KeyId=self._aws.kms_key)["KeyMetadata"]["Arn"]
        return arn

    def has_bucket(self) -> bool:
        """Whether the settings' bucket is there.

        Raises:
            UserError: it is another account's, or in another region.
        """
        bucket = self._aws.bucket
        with translated(UserError, f"The bucket {bucket} cannot be looked up"):
            try:
                head = self._clients.client("s3").head_bucket(Bucket=bucket)
            except errors.ClientError as error:
                if code_of(error) == "404":
                    return False
                if code_of(error) == "403":
                    raise UserError(
                        f"The bucket {bucket} belongs to another account, or you may not look at it: choose another "
                        "name for SPOTIFRIEND_BUCKET, or allow s3:ListBucket."
                    ) from None
                raise
        region = head.get("BucketRegion") or self._clients.region
        if region != self._clients.region:
            raise UserError(
                f"The bucket {bucket} is in {region}, and SPOTIFRIEND_REGION is {self._clients.region}: correct one of "
                "the two, as a stack holds what is in its own region alone."
            )
        return True

    def has_database(self) -> bool:
        """Whether the settings' database of Glue is there."""
        database = self._aws.glue_database
        with translated(UserError, f"Glue's database {database} cannot be looked up"):
            glue = self._clients.client("glue")
            try:
                glue.get_database(Name=database)
            except glue.exceptions.EntityNotFoundException:
                return False
        return True

    def image(self, repository: str, tag: str) -> str:
        """An image by its digest: so a new one of the same tag is a change, and what was shown is what runs.

        Raises:
            UserError: there is none, or none that Lambda takes.
        """
        with translated(UserError, f"The image {repository}:{tag} cannot be looked up"):
            ecr = self._clients.client("ecr")
            try:
                asked = {"repositoryName": repository.partition("/")[2], "imageIds": [{"imageTag": tag}]}
                found = ecr.describe_images(**asked)["imageDetails"]
            except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
                found = []
        if not found:
            raise UserError(f"There is no image {repository}:{tag} to run. {self.how_to_push(repository, tag)}")
        kind = found[0].get("imageManifestMediaType", "")
        if "index" in kind or "manifest.list" in kind:
            raise UserError(
                f"{repository}:{tag} is a list of images, and Lambda wants one. {self.how_to_push(repository, tag)}"
            )
        return f"{repository}@{found[0]['imageDigest']}"

    def how_to_push(self, repository: str, tag: str) -> str:
        """What to do so that there is an image."""
        registry = repository.partition("/")[0]
        return (
            "Build and push it, then give `spotifriend deploy`:\n"
            f"  docker build --provenance=false --platform linux/amd64 -f deploy/Dockerfile -t {repository}:{tag} .\n"
            f"  aws ecr get-login-password --region {self._aws.region} | docker login --username AWS "
            f"--password-stdin {registry}\n"
            f"  docker push {repository}:{tag}"
        )

    def concurrency(self) -> int:
        """How many functions the account may run at once; of a new one these are often ten."""
        with translated(UserError, "How many functions the account may run at once cannot be asked"):
            limits = self._clients.client("lambda").get_account_settings()["AccountLimit"]
        limit: int = limits["ConcurrentExecutions"]
        return limit
