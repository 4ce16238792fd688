import dataclasses
import json

from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice, label, spoken_from_dict


def test_who_spoke_survives_json() -> None:
    spoken = Spoken(
        "media",
        "speakers",
        (Turn(0, 0.5, 1.5), Turn(1, 1.25, 2.0, channel=1)),
        (Voice(0, 1.0, (0.6, 0.8)), Voice(1, 0.75, channel=1)),
    )
    assert spoken_from_dict(json.loads(json.dumps(dataclasses.asdict(spoken)))) == spoken


def test_labels_count_from_nought() -> None:
    assert [label(number) for number in (0, 7, 123)] == ["SPEAKER_00", "SPEAKER_07", "SPEAKER_123"]
