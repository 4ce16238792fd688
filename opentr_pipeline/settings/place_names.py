"""Where an archive is, its tables and all else that is kept; folders, and places in buckets."""

from pydantic import BaseModel, ConfigDict, Field

from opentr_pipeline.settings.values import EndpointUrl, PathText, PlaceText


class PlaceSettings(BaseModel):
    """Where everything is, and how buckets are reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive_dir: PlaceText = Field(
        "auto",
        description="The archive: the directory that holds all media, or a place in a bucket "
        "(s3://bucket/prefix, gs://, az://). It is only read. auto: the sample archive.",
    )
    output_dir: PlaceText = Field(
        "auto",
        description="Where tables go: a directory, or a place in a bucket. auto: below output/.",
    )
    s3_endpoint_url: EndpointUrl = Field(
        "",
        description="Where buckets s3:// are, such as https://minio.example:9000. Empty: Amazon's. "
        "Credentials are never set here: they come from the environment, as AWS_ACCESS_KEY_ID.",
    )
    bucket_look_s: int = Field(
        30,
        ge=30,
        le=86_400,
        description="Seconds between two looks for uploads in a bucket; a look costs a request for "
        "each 1,000 objects.",
    )
    opentr_home: PathText = Field(
        "auto",
        description="Everything else that is kept: Dagster's state, logs, models. May be deleted. "
        "auto: .opentr in a checkout, else opentr in the user's data folder (~/.local/share).",
    )
    models_dir: PathText = Field("auto", description="Fetched models. auto: OPENTR_HOME/models.")
    worker_slots_dir: PathText = Field(
        "auto",
        description="Lock files of the worker slots; all runs and containers of a host must share "
        "it. auto: a folder in the system's temporary directory.",
    )
