"""Writes the event records to which `native-trainer/src/train/metrics.rs` is held.

    python make_events.py        (tensorboard 2.20.0, protobuf as it asks for)
"""

import io
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

figures = [("loss", 0.25), ("learning_rate", 0.001)]
summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in figures])
out = io.BytesIO()
writer = RecordWriter(out)
for event in [Event(wall_time=1.5e9, file_version="brain.Event:2"), Event(wall_time=1.5e9, step=300, summary=summary)]:
    writer.write(event.SerializeToString())
path = Path(__file__).parents[2] / "native-trainer/tests/fixtures/events.bin"
path.write_bytes(out.getvalue())
