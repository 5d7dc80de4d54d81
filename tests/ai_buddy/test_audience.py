"""Every connection is told every word once, however connections come, go, lag and come back."""

import json
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from ai_buddy.conversations.turns import Audience
from ai_buddy.model import ConversationKey, Listener, Turn, TurnKey
from ai_buddy.realtime.connections import LineGone
from supermarket.clock import new_id, utc_now

NAMES = ("a", "b", "c")


@dataclass
class World:
    """The connections that are open, what each has of the answer, and which of them lag."""

    turn: Turn
    open: dict[str, Listener] = field(default_factory=dict)
    has: dict[str, str] = field(default_factory=dict)
    lagging: set[str] = field(default_factory=set)

    def listeners(self, user_id: str, conversation_id: str) -> list[Listener]:
        return list(self.open.values())

    def close(self, connection_id: str, user_id: str) -> None:
        self.open.pop(connection_id, None)

    def send(self, connection_id: str, frame: str) -> bool:
        if connection_id not in self.open:
            raise LineGone(connection_id)
        if connection_id in self.lagging:
            return False
        self.has[connection_id] += json.loads(frame)["text"]
        return True

    def hang_up(self, connection_id: str) -> None:
        raise AssertionError("nobody is hung up on while answering")

    def say(self, text: str) -> None:
        self.turn = replace(self.turn, answer=self.turn.answer + text)

    def lag(self, name: str) -> None:
        self.lagging |= {key for key in self.open if key.startswith(name)}

    def come(self, name: str) -> None:
        """Open a connection; the history that it read gave it all there was when it came."""
        connection_id = f"{name}-{len(self.has)}"
        self.has[connection_id] = self.turn.answer
        self.open[connection_id] = Listener(connection_id, self.turn.id, len(self.turn.answer))

    def go(self, name: str) -> None:
        self.open = {key: each for key, each in self.open.items() if not key.startswith(name)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "tell", "look", "come", "go", "lag", "catch up"]),
        st.sampled_from(NAMES),
        st.text(min_size=1, max_size=5),
    ),
    max_size=40,
)


@given(STEPS)
def test_whoever_is_there_at_the_end_has_the_whole_answer_once(
    steps: list[tuple[str, str, str]],
) -> None:
    conversation = ConversationKey("user", new_id())
    world = World(Turn(TurnKey(conversation, f"{conversation.id}-{new_id()}"), utc_now()))
    audience = Audience(world, world, world.turn.key)
    for step, name, text in steps:
        {
            "say": lambda: world.say(text),  # noqa: B023 - called at once
            "tell": lambda: audience.tell(world.turn),
            "look": audience.look,
            "come": lambda: world.come(name),  # noqa: B023
            "go": lambda: world.go(name),  # noqa: B023
            "lag": lambda: world.lag(name),  # noqa: B023
            "catch up": world.lagging.clear,
        }[step]()
    for connection_id in world.open:
        assert world.turn.answer.startswith(world.has[connection_id])

    world.lagging.clear()
    audience.look()
    audience.tell(world.turn)

    assert {world.has[key] for key in world.open} <= {world.turn.answer}
