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
# Of these, what a telephone lets through (300 to 3,400 Hz), and those above 4,200 Hz.
TELEPHONE_BANDS, HIGH_BANDS = slice(10, 56), slice(62, NUM_BANDS)
# Energy above against that of a telephone's bands: after a telephone 0.006 at most, else 0.07 at
# least, where voices were heard alone in conversations and meetings.
MAX_HIGH_SHARE = 0.016


class Band:
    """Whether a recording is in the band of a telephone, at whatever rate it is kept."""

    def __init__(self) -> None:
        """Nothing is heard yet."""
        self._high = self._telephone = 0.0

    @property
    def is_narrow(self) -> bool:
        """Whether next to nothing that was heard is above that band."""
        return self._high < MAX_HIGH_SHARE * self._telephone

    def hear(self, features: "Features") -> None:
        """Take into account some frames in which somebody speaks."""
        import numpy as np

        energy = np.exp(features.astype(np.float64)).sum(axis=0)
        self._high += float(energy[HIGH_BANDS].sum())
        self._telephone += float(energy[TELEPHONE_BANDS].sum())


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

    def vector(self, features: "Features", *, is_narrow: bool = False) -> "Vector":
        """Of unit length; of frames in which one voice alone is heard.

        Args:
            features: of these frames.
            is_narrow: leave out what is outside a telephone's band: noise, and no voice.
        """
        import numpy as np

        name = self._session.get_inputs()[0].name
        levelled = (features - features.mean(axis=0)).astype(np.float32)
        if is_narrow:
            levelled[:, : TELEPHONE_BANDS.start] = levelled[:, TELEPHONE_BANDS.stop :] = 0
        made = self._session.run(None, {name: levelled[None]})[0][0]
        return np.asarray(made) / max(float(np.linalg.norm(made)), 1e-9)
