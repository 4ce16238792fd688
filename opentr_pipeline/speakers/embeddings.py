"""Sound of one voice -> a vector that tells it from others (the second network)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ
from opentr_pipeline.speakers.sessions import session

if TYPE_CHECKING:
    import numpy as np

    from opentr_pipeline.audio.windows import Samples

    # float32: features of shape (num_frames, 80), a vector of shape (192,).
    Features = np.ndarray[Any, Any]
    Vector = np.ndarray[Any, Any]

FEATURES_PER_S = 100
FEATURE_SAMPLES = SAMPLE_RATE_HZ // FEATURES_PER_S
NUM_BANDS = 80


class Voices:
    """Makes vectors of voices."""

    def __init__(self, path: Path, cpu_threads: int) -> None:
        """Load the network."""
        self._session = session(path, cpu_threads)

    def features(self, samples: "Samples") -> "Features":
        """Mel energies, ``FEATURES_PER_S`` frames a second, as the network was trained with."""
        import kaldi_native_fbank
        import numpy as np

        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.dither, options.frame_opts.samp_freq = 0.0, float(SAMPLE_RATE_HZ)
        options.frame_opts.snip_edges = False
        options.mel_opts.num_bins = NUM_BANDS
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(SAMPLE_RATE_HZ, samples)
        bank.input_finished()
        frames = [bank.get_frame(at) for at in range(bank.num_frames_ready)]
        return np.stack(frames)

    def vector(self, features: "Features") -> "Vector":
        """Of unit length; of frames in which one voice alone is heard."""
        import numpy as np

        name = self._session.get_inputs()[0].name
        levelled = (features - features.mean(axis=0)).astype(np.float32)
        made = self._session.run(None, {name: levelled[None]})[0][0]
        return np.asarray(made) / max(float(np.linalg.norm(made)), 1e-9)
