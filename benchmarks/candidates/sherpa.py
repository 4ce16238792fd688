"""sherpa-onnx, who speaks when: the same two networks, its own way of putting them together."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sound
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.speakers.models import Networks
from opentr_pipeline.speakers.segmentation import FRAME_SAMPLES, MAX_LOCAL, WINDOW_SAMPLES
from opentr_pipeline.transcripts.turns import Turn, Voice

# What its program reads in the files, beside what they are.
SEGMENTATION = {
    "model_type": "pyannote-segmentation-3.0",
    "num_speakers": MAX_LOCAL,
    "powerset_max_classes": 2,
    "num_classes": 7,
    "sample_rate": sound.RATE_HZ,
    "window_size": WINDOW_SAMPLES,
    "receptive_field_size": 991,
    "receptive_field_shift": FRAME_SAMPLES,
}
VOICES = {
    "framework": "3d-speaker",
    "language": "Chinese-English",
    "sample_rate": sound.RATE_HZ,
    "output_dim": 192,
    "normalize_samples": 1,
    "feature_normalize_type": "global-mean",
}
# Of its documentation's example, where the number of people is not known.
THRESHOLD = 0.5


class Sherpa:
    """Tells speakers apart as its documentation's example does."""

    def __init__(self, networks: Networks, folder: Path) -> None:
        """Load the networks.

        Args:
            networks: ours.
            folder: where copies go that say what its program asks for.
        """
        import sherpa_onnx  # type: ignore[import-not-found, import-untyped, unused-ignore]

        segmentation = _described(networks.segmentation, SEGMENTATION, folder)
        voices = _described(networks.voices, VOICES, folder)
        self._heard = sherpa_onnx.OfflineSpeakerDiarization(
            sherpa_onnx.OfflineSpeakerDiarizationConfig(
                segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(
                    pyannote=sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(
                        model=str(segmentation)
                    )
                ),
                embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(voices)),
                clustering=sherpa_onnx.FastClusteringConfig(num_clusters=-1, threshold=THRESHOLD),
            )
        )

    def hear(self, source: Sound) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
        """Who speaks when in a recording, as ours says it."""
        blocks = [block[0] for block in source.blocks()]
        found = self._heard.process(np.concatenate(blocks)).sort_by_start_time()
        turns = tuple(Turn(one.speaker, one.start, one.end) for one in found)
        return turns, tuple(Voice(number, 0.0, ()) for number in {one.speaker for one in turns})


def _described(path: Path, facts: dict[str, Any], folder: Path) -> Path:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {name: str(fact) for name, fact in facts.items()})
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    onnx.save(model, copy)
    return copy
