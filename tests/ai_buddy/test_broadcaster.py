"""Every connection gets the whole answer once, however connections open, close, lag and return."""

import json
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from ai_buddy.model import ConversationKey, Turn, TurnKey
from ai_buddy.realtime.broadcaster import Broadcaster
from ai_buddy.realtime.ports import ConnectionGone, OpenConnection
from supermarket.clock import new_id, utc_now

NAMES = ("a", "b", "c")


@dataclass
class World:
    """A turn and its connections: which are open, what each received, which of them lag."""

    turn: Turn
    open: dict[str, OpenConnection] = field(default_factory=dict)
    received: dict[str, str] = field(default_factory=dict)
    lagging: set[str] = field(default_factory=set)

    def list_open(self, user_id: str) -> list[OpenConnection]:
        return list(self.open.values())

    def remove(self, connection_id: str, user_id: str) -> None:
        self.open.pop(connection_id, None)

    def send(self, connection_id: str, frame: str) -> bool:
        if connection_id not in self.open:
            raise ConnectionGone(connection_id)
        if connection_id in self.lagging:
            return False
        self.received[connection_id] += json.loads(frame)["text"]
        return True

    def close(self, connection_id: str) -> None:
        raise AssertionError("a broadcast closes no connection")

    def add_text(self, text: str) -> None:
        self.turn = replace(self.turn, answer=self.turn.answer + text)

    def lag(self, name: str) -> None:
        self.lagging |= {key for key in self.open if key.startswith(name)}

    def connect(self, name: str) -> None:
        """Open a connection whose client read the answer so far from the history."""
        connection_id = f"{name}-{len(self.received)}"
        self.received[connection_id] = self.turn.answer
        self.open[connection_id] = OpenConnection(
            connection_id,
            session_id="",
            conversation_id=self.turn.key.conversation.id,
            message_id=self.turn.id,
            received=len(self.turn.answer),
        )

    def disconnect(self, name: str) -> None:
        self.open = {key: each for key, each in self.open.items() if not key.startswith(name)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["add text", "send", "refresh", "connect", "disconnect", "lag", "catch up"]
        ),
        st.sampled_from(NAMES),
        st.text(min_size=1, max_size=5),
    ),
    max_size=40,
)


@given(STEPS)
def test_every_open_connection_has_the_whole_answer_once_at_the_end(
    steps: list[tuple[str, str, str]],
) -> None:
    conversation = ConversationKey("user", new_id())
    world = World(Turn(TurnKey(conversation, f"{conversation.id}-{new_id()}"), utc_now()))
    broadcaster = Broadcaster(world, world, world.turn.key)
    for step, name, text in steps:
        {
            "add text": lambda: world.add_text(text),  # noqa: B023 - called at once
            "send": lambda: broadcaster.send_new_text(world.turn),
            "refresh": broadcaster.refresh,
            "connect": lambda: world.connect(name),  # noqa: B023
            "disconnect": lambda: world.disconnect(name),  # noqa: B023
            "lag": lambda: world.lag(name),  # noqa: B023
            "catch up": world.lagging.clear,
        }[step]()
    for connection_id in world.open:
        assert world.turn.answer.startswith(world.received[connection_id])

    world.lagging.clear()
    broadcaster.refresh()
    broadcaster.send_new_text(world.turn)

    assert {world.received[key] for key in world.open} <= {world.turn.answer}
