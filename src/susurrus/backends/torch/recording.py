"""Work on tensors at fixed addresses, recorded once and run again by a single call: CUDA graphs.

What work does on the host (choosing shapes, calling kernels) is done when it is recorded and not again, so it must
depend on nothing that changes but what lies in its tensors. Knows nothing of models.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Protocol

import torch

from ...errors import OptionError

_log = logging.getLogger(__name__)

SWITCH = "SUSURRUS_CUDA_GRAPHS"
"""Environment variable: 0 runs every step kernel by kernel."""

Work = Callable[[], None]


class Recorder(Protocol):
    """Records work."""

    def record(self, work: Work) -> Work:
        """Do the work once, and give a function that does it again."""
        ...


class Recorded:
    """Work that is done as it stands a few times, and then recorded.

    The first times load kernels and set up libraries, which a recording cannot; they count like any other.
    """

    N_PLAIN = 2

    def __init__(self, work: Work, recorder: Recorder) -> None:
        self._work, self._recorder = work, recorder
        self._n_runs = 0

    def __call__(self) -> None:
        self._n_runs += 1
        if self._n_runs == self.N_PLAIN + 1:
            self._work = self._recorder.record(self._work)
        else:
            self._work()


class GraphRecorder:
    """Records CUDA graphs, which share memory for what they make on their way.

    Where a graph cannot be recorded, this and all later work is done kernel by kernel, and a warning says so once.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._can_record = True

    def record(self, work: Work) -> Work:
        graph = self._capture(work) if self._can_record else None
        again = work if graph is None else graph.replay
        again()  # recording alone does nothing
        return again

    def _capture(self, work: Work) -> torch.cuda.CUDAGraph | None:
        graph = torch.cuda.CUDAGraph()
        try:
            # Only this thread's calls must fit into a graph: another may use the device meanwhile.
            with (
                torch.cuda.device(self._device),
                torch.cuda.stream(torch.cuda.current_stream(self._device)),  # comes back, whatever fails
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
            ):
                work()
        except Exception as error:  # whatever the driver says, the work can be done without
            self._can_record = False
            _log.warning("CUDA graphs are off, steps are slower: %s", error)
            return None
        return graph


def recorder_for(device: torch.device) -> Recorder | None:
    """Give what records a device's work; None where that is not possible, or not wanted."""
    switch = os.environ.get(SWITCH, "1")
    if switch not in ("0", "1"):
        raise OptionError(f"{SWITCH}={switch!r}: unknown", hint="set it to 0 or 1")
    return GraphRecorder(device) if device.type == "cuda" and switch == "1" else None
