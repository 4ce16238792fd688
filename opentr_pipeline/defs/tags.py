"""By which tags we know our runs again; Dagster's page hides them, as it hides its own."""

from collections.abc import Mapping

# What the page shows, filters by and copies to repeated runs has another beginning.
HIDDEN = ".dagster/opentr_"
# Of a run for uploads: whether these are new, or stock; and which request it is.
UPLOADS_TAG = f"{HIDDEN}uploads"
REQUEST_TAG = f"{HIDDEN}upload_request"
# Of a run of the sensor refreshes: the kind of the refresh. dagster.yaml has a limit for it.
REFRESH_TAG = f"{HIDDEN}refresh"
# Of a run of the schedule: which night. The same.
NIGHT_TAG = f"{HIDDEN}night"
# The machine, or container, whose process a run is.
HOST_TAG = f"{HIDDEN}host"
SENSOR_TAG = "dagster/sensor_name"  # Dagster's own, of every run that a sensor asks for
# What 0.1.0 called them, whose runs may wait in a queue.
BEFORE = {
    UPLOADS_TAG: "opentr/uploads",
    REQUEST_TAG: "opentr/upload_request",
    REFRESH_TAG: "opentr/refresh",
    NIGHT_TAG: "opentr/night",
    HOST_TAG: ".opentr/host",
}


def tag_of(tags: Mapping[str, str], name: str) -> str | None:
    """What a run's tag says, by whatever name; None where it has none."""
    return tags.get(name, tags.get(BEFORE[name]))
