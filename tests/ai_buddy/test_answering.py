"""A worker answers a turn: what it tells, what it keeps, and what it does when things go wrong."""

import time
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.exceptions import QueryError, UpdateError

from ai_buddy.conversations.repository import CounterRow, DynamoConversations, HeadRow
from ai_buddy.conversations.turns import Pace, Report
from ai_buddy.model import (
    LEASE,
    MAX_ANSWER,
    WINDOW,
    AnsweredBy,
    ModelUnavailable,
    Proposal,
    Proposed,
    ShownOrder,
    Task,
    TextDelta,
    TokensUsed,
    ToolStatus,
    ToolUsed,
    TurnState,
)
from ai_buddy.schemas import MAX_TEXT
from ai_buddy.sockets import confirm_proposal, show_history, take_message
from supermarket.clock import utc_now
from support.sockets import HURRIED, Client, ScriptedAgent, Sockets, another_session_of, sign_out


@pytest.fixture
def client(sockets: Sockets) -> Client:
    return sockets.connect()


@pytest.fixture
def task(sockets: Sockets, client: Client) -> Task:
    """A turn that waits for its answer."""
    client.send(take_message, text="Have you rice?")
    return sockets.workers.tasks[-1]


def answer(sockets: Sockets, task: Task, *steps: Any, **options: Any) -> Report | None:
    pace = options.pop("pace", HURRIED)
    return sockets.answering(ScriptedAgent(*steps), pace).answer(task, options.get("seconds", 5))


def kept(task: Task) -> Any:
    turn = DynamoConversations(utc_now).turn(task.key)
    assert turn
    return turn


def later(sockets: Sockets, by: timedelta) -> Any:
    """A worker that comes some time later."""
    worker = sockets.answering(ScriptedAgent(TextDelta("Later.")))
    memory = DynamoConversations(lambda: utc_now() + by)
    worker._memory, worker._clock = memory, lambda: utc_now() + by
    return worker


def test_pieces_come_together_at_most_once_per_frame_time(
    sockets: Sockets, client: Client, task: Task
) -> None:
    pieces: list[Any] = [step for n in range(60) for step in (TextDelta(f"{n} "), 0.005)]
    began = time.monotonic()

    answer(sockets, task, *pieces, pace=Pace(frame=0.1, note=10, patience=5))

    frames = sockets.lines.types(client.id).count("token")
    assert frames <= (time.monotonic() - began) / 0.1 + 2  # the first and the last come at once
    assert sockets.lines.text(client.id) == "".join(f"{n} " for n in range(60))


def test_the_first_words_wait_for_nothing(sockets: Sockets, client: Client, task: Task) -> None:
    said: list[float] = []

    def look() -> None:
        said.append(time.monotonic())
        while not sockets.lines.text(client.id):
            assert time.monotonic() < said[0] + 2
            time.sleep(0.001)
        said.append(time.monotonic())

    report = answer(
        sockets, task, TextDelta("At once"), look, pace=Pace(frame=0.5, note=10, patience=5)
    )

    assert said[1] - said[0] < 0.1
    assert report
    assert report.first_token_seconds is not None


def test_tools_are_told_where_they_came_in_the_answer(
    sockets: Sockets, client: Client, task: Task
) -> None:
    used = [ToolUsed("search_products", status) for status in ToolStatus]

    answer(sockets, task, TextDelta("Let me see. "), *used, TextDelta("Two."))

    told = [f.get("text", f.get("status")) for f in client.frames if f["type"] in {"token", "tool"}]
    assert told == ["Let me see. ", "started", "done", "failed", "Two."]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ModelUnavailable("The assistant cannot be reached"), "MODEL_UNAVAILABLE"),
        (ValueError("a word of theirs"), "INTERNAL"),
    ],
)
def test_a_failure_is_told_and_the_conversation_goes_on(
    sockets: Sockets, client: Client, task: Task, failure: Exception, code: str
) -> None:
    report = answer(sockets, task, TextDelta("Well"), failure)

    assert client.frames[-1]["type"] == "error"
    assert client.frames[-1]["code"] == code
    assert client.frames[-1]["messageId"] == task.key.id
    assert "theirs" not in client.frames[-1]["message"]
    assert report
    assert report.state is TurnState.FAILED
    assert (kept(task).state, kept(task).answer) == (TurnState.FAILED, "Well")
    [started] = client.send(take_message, text="?", conversationId=task.key.conversation.id)
    assert started["type"] == "started"


def test_a_model_that_says_nothing_is_not_waited_for(
    sockets: Sockets, client: Client, task: Task
) -> None:
    began = time.monotonic()

    answer(sockets, task, 3.0, pace=Pace(frame=0.01, note=0.05, patience=0.2))

    assert time.monotonic() - began < 2
    assert client.frames[-1]["code"] == "TOO_SLOW"


def test_an_answer_that_takes_too_long_ends_before_its_worker_is_killed(
    sockets: Sockets, client: Client, task: Task
) -> None:
    drip: list[Any] = [step for _ in range(200) for step in (TextDelta("."), 0.02)]

    answer(sockets, task, *drip, seconds=0.3)

    assert client.frames[-1]["code"] == "TOO_SLOW"
    assert kept(task).answer.startswith("..")


def test_the_agent_is_let_go_when_nobody_listens_any_more(sockets: Sockets, task: Task) -> None:
    agent = ScriptedAgent(*[step for _ in range(500) for step in (TextDelta("."), 0.01)])

    sockets.answering(agent).answer(task, 0.1)

    assert agent.left.wait(1)


def test_a_second_delivery_of_the_same_task_is_nobodys_business(
    sockets: Sockets, client: Client, task: Task
) -> None:
    second: list[Report | None] = []

    def deliver_again() -> None:
        second.append(answer(sockets, task, TextDelta("Twice!")))

    answer(sockets, task, TextDelta("Once."), deliver_again)
    third = answer(sockets, task, TextDelta("Thrice!"))

    assert [*second, third] == [None, None]
    assert sockets.lines.text(client.id) == "Once."


def test_a_worker_that_died_is_reported_by_the_next_attempt(
    sockets: Sockets, client: Client, task: Task
) -> None:
    memory = DynamoConversations(utc_now)
    memory.claim(task.key)
    memory.go_on(task.key, "As far as it c")

    report = later(sockets, LEASE * 2).answer(task, 5)

    assert report.state is TurnState.FAILED
    assert client.frames[-1]["code"] == "INTERNAL"
    assert kept(task).answer == "As far as it c"


def test_a_conversation_whose_worker_died_is_free_after_a_while(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    DynamoConversations(utc_now).claim(task.key)
    after = DynamoConversations(lambda: utc_now() + LEASE * 2)
    monkeypatch.setattr("ai_buddy.conversations.repository.DynamoConversations", lambda _: after)
    from ai_buddy import wiring

    wiring.conversations.cache_clear()
    monkeypatch.setattr(wiring, "utc_now", lambda: utc_now() + LEASE * 2)
    conversation = {"conversationId": task.key.conversation.id}

    [history] = client.send(show_history, **conversation)
    assert history["messages"][-1]["status"] == "failed"
    [started] = client.send(take_message, text="Again", **conversation)
    assert started["type"] == "started"
    assert kept(task).state is TurnState.FAILED
    # the late worker of the first turn finds the second one running, and leaves it alone
    assert later(sockets, LEASE * 2).answer(task, 5) is None
    found = after.find(task.key.conversation)
    assert found
    assert found.running == started["messageId"]
    wiring.conversations.cache_clear()


def test_a_dead_connection_is_forgotten_and_the_answer_kept(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sockets.lines.dead.add(client.id)

    answer(sockets, task, TextDelta("Anybody?"))

    assert kept(task).answer == "Anybody?"
    assert sockets.switchboard_lines(client.caller.user_id) == []


def test_what_does_not_get_through_comes_with_the_next_frame(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sockets.lines.slow.add(client.id)

    answer(
        sockets,
        task,
        TextDelta("One "),
        0.05,
        sockets.lines.slow.clear,
        TextDelta("two"),
    )

    assert sockets.lines.text(client.id) == "One two"


def test_tokens_are_counted_by_turn_and_by_person(
    sockets: Sockets, client: Client, task: Task
) -> None:
    report = answer(sockets, task, TokensUsed(100, 20), TextDelta("Yes."), TokensUsed(200, 30))

    assert report
    assert report.tokens == TokensUsed(300, 50)
    [day] = [row for row in CounterRow.query(client.caller.user_id) if row.tokens]
    assert day.tokens == 350


def test_an_answer_says_which_model_gave_it_and_what_it_shows(
    sockets: Sockets, client: Client, task: Task
) -> None:
    answer(sockets, task, AnsweredBy("simulator"), TextDelta("It is"), ShownOrder({"id": "01"}))

    message = client.frames[-2]
    assert (message["model"], message["order"]) == ("simulator", {"id": "01"})


def test_an_answer_has_an_end(sockets: Sockets, client: Client, task: Task) -> None:
    answer(sockets, task, *[TextDelta("x" * 1_000)] * 20)

    assert len(client.frames[-2]["text"]) == MAX_ANSWER


def test_the_longest_answer_goes_into_a_frame_in_any_script(
    sockets: Sockets, client: Client
) -> None:
    client.send(take_message, text="\U0001f35a" * MAX_TEXT)
    sockets.work(ScriptedAgent(TextDelta("\U0001f35b" * MAX_ANSWER)))
    client.send(show_history)

    assert client.frames[-1]["type"] == "history"
    assert MAX_ANSWER < sockets.lines.largest < 128 * 1024  # of API Gateway


def test_what_is_older_than_the_window_is_summed_up(sockets: Sockets, client: Client) -> None:
    agent = ScriptedAgent(TextDelta("Yes."))
    more: dict[str, str] = {}
    for number in range(WINDOW + 2):
        [started] = client.send(take_message, text=f"Question {number}", **more)
        more = {"conversationId": started["conversationId"]}
        sockets.work(agent)

    [(before, older)] = agent.summed_up
    assert before == ""
    assert [u.text for u in older][::2] == [f"Question {n}" for n in range(WINDOW // 2)]
    last = agent.questions[-1]
    assert last.summary == "12 things were said"
    assert last.history[0].text == f"Question {WINDOW // 2}"
    [day] = [row for row in CounterRow.query(client.caller.user_id) if row.tokens]
    assert day.tokens == 34  # of the summary: the answers themselves were free


def test_nothing_falls_between_the_summary_and_what_is_told_word_for_word(
    sockets: Sockets, client: Client
) -> None:
    agent = ScriptedAgent(TextDelta("Shall I?"), Proposed(Proposal("cancel_order", {}, "Cancel.")))
    more: dict[str, str] = {}
    for number in range(WINDOW):
        [started] = client.send(take_message, text=f"Question {number}", **more)
        more = {"conversationId": started["conversationId"]}
        sockets.work(agent)
        client.send(confirm_proposal, messageId=started["messageId"], accept=False)

    assert all_that_it_knows(agent, sockets, client, more) >= {
        f"Question {number}" for number in range(WINDOW)
    }


def test_what_could_not_be_summed_up_is_told_word_for_word_and_then_summed_up(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = ScriptedAgent(TextDelta("Yes."))
    more: dict[str, str] = {}
    with monkeypatch.context() as busy:
        busy.setattr(agent, "summarise", lambda *_: 1 / 0)
        for number in range(WINDOW + 4):
            [started] = client.send(take_message, text=f"Question {number}", **more)
            more = {"conversationId": started["conversationId"]}
            sockets.work(agent)

    questions = {f"Question {number}" for number in range(WINDOW + 4)}
    assert {said.text for said in agent.questions[-1].history} >= questions - {
        f"Question {WINDOW + 3}"
    }
    assert all_that_it_knows(agent, sockets, client, more) >= questions
    assert all_that_it_knows(agent, sockets, client, more) >= questions


def all_that_it_knows(
    agent: ScriptedAgent, sockets: Sockets, client: Client, conversation: dict[str, str]
) -> set[str]:
    """What the agent is told when it is asked once more, and what it has summed up before."""
    client.send(take_message, text="And now?", **conversation)
    summed_up = {said.text for _, older in agent.summed_up for said in older}
    sockets.work(agent)
    return summed_up | {said.text for said in agent.questions[-1].history}


# --- trouble with the database ---


def test_a_note_that_fails_costs_no_answer(sockets: Sockets, client: Client, task: Task) -> None:
    worker = sockets.answering(ScriptedAgent(TextDelta("So "), 0.2, TextDelta("what.")))
    fails_once(worker._memory, "go_on")

    worker.answer(task, 5)

    assert client.frames[-2]["text"] == "So what."
    assert client.frames[-1]["type"] == "done"


@pytest.mark.parametrize("times", [1, 99])
def test_an_answer_is_told_though_nobody_could_be_looked_for(
    sockets: Sockets, client: Client, task: Task, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.answering(ScriptedAgent(TextDelta("So "), 0.1, TextDelta("what.")))
    listeners, calls = worker._listeners.listeners, []

    def fail_after_the_first(*who: Any) -> Any:
        calls.append(who)
        if 1 < len(calls) <= 1 + times:
            raise QueryError("throttled")
        return listeners(*who)

    monkeypatch.setattr(worker._listeners, "listeners", fail_after_the_first)

    worker.answer(task, 5)

    assert len(calls) > 2
    assert client.frames[-1]["type"] == "done"


def test_an_answer_whose_tokens_could_not_be_counted_is_given(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.answering(ScriptedAgent(TextDelta("Yes."), TokensUsed(10, 1)))
    with monkeypatch.context() as patch:
        patch.setattr(worker._spending, "spend_tokens", lambda *_: 1 / 0)
        worker.answer(task, 5)

    assert client.frames[-1]["type"] == "done"


@pytest.mark.parametrize("end", [(), (ModelUnavailable("gone"),)])
def test_an_answer_that_was_kept_and_not_told_is_told_by_the_second_attempt(
    sockets: Sockets, client: Client, task: Task, end: tuple[Any, ...]
) -> None:
    worker = sockets.answering(ScriptedAgent(TextDelta("So what."), *end))
    memory: Any = worker._memory
    update = memory._update

    def die_when_it_is_free(*how: Any) -> Any:
        if kept(task).state is not TurnState.RUNNING:
            raise UpdateError("throttled")
        return update(*how)

    memory._update = die_when_it_is_free
    with pytest.raises(UpdateError):
        worker.answer(task, 5)
    assert client.frames[-1]["type"] == "token"

    assert later(sockets, LEASE * 2).answer(task, 5) is None

    assert client.frames[-1]["messageId"] == task.key.id
    assert client.frames[-1]["type"] == ("error" if end else "done")
    found = DynamoConversations(utc_now).find(task.key.conversation)
    assert found
    assert found.running is None


def test_a_transaction_on_the_same_conversation_is_waited_for(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, update = DynamoConversations(utc_now), HeadRow.update
    tried: list[Any] = []

    def conflict_once(self: HeadRow, *how: Any, **more: Any) -> Any:
        tried.append(how)
        if len(tried) == 1:
            response: Any = {"Error": {"Code": "TransactionConflictException"}}
            raise UpdateError("conflict", ClientError(response, "UpdateItem"))
        return update(self, *how, **more)

    monkeypatch.setattr(HeadRow, "update", conflict_once)

    assert memory.claim(task.key)
    assert len(tried) == 2


def fails_once(memory: Any, name: str) -> None:
    really, calls = getattr(memory, name), []

    def fail_at_first(*how: Any) -> Any:
        calls.append(how)
        if len(calls) == 1:
            raise UpdateError("throttled")
        return really(*how)

    setattr(memory, name, fail_at_first)


@pytest.mark.parametrize("end", [(), (ModelUnavailable("busy"),)])
def test_what_was_told_is_not_told_again(
    sockets: Sockets, client: Client, task: Task, end: tuple[Any, ...]
) -> None:
    answer(sockets, task, TextDelta("So what."), *end)
    told = list(client.frames)

    later(sockets, LEASE * 2).answer(task, 5)

    assert client.frames == told


def test_a_failure_is_told_under_its_own_code_by_the_second_attempt(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.answering(ScriptedAgent(ModelUnavailable("busy")))
    with monkeypatch.context() as dies:
        dies.setattr(worker._memory, "let_go", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            worker.answer(task, 5)

    later(sockets, LEASE * 2).answer(task, 5)

    assert (client.frames[-1]["code"], client.frames[-1]["message"]) == (
        "MODEL_UNAVAILABLE",
        "busy",
    )


def test_a_dead_connection_that_cannot_be_forgotten_keeps_nobody_from_being_told(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sockets.connect(client.caller)
    gone.send(show_history)
    sockets.lines.dead.add(gone.id)
    worker = sockets.answering(ScriptedAgent(TextDelta("So what.")))
    monkeypatch.setattr(worker._listeners, "close", lambda *_: 1 / 0)

    worker.answer(task, 5)

    assert client.frames[-1]["type"] == "done"


# --- a session that ends ---


@pytest.mark.parametrize("times", [1, 99])
def test_a_session_that_cannot_be_looked_for_is_looked_for_again(
    sockets: Sockets, client: Client, task: Task, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.answering(ScriptedAgent(TextDelta("So "), 0.1, TextDelta("what.")))
    really, calls = worker._sessions.is_open, []

    def fail_at_first(*who: Any) -> Any:
        calls.append(who)
        if len(calls) <= times:
            raise QueryError("throttled")
        return really(*who)

    monkeypatch.setattr(worker._sessions, "is_open", fail_at_first)

    worker.answer(task, 5)

    assert len(calls) > 1
    assert client.frames[-1]["type"] == "done"


def test_whoever_is_signed_in_on_another_device_still_gets_the_answer_there(
    sockets: Sockets, client: Client, task: Task
) -> None:
    asked_with = client.caller
    other = sockets.connect(another_session_of(asked_with))
    other.send(show_history)

    answer(sockets, task, TextDelta("Hm "), lambda: sign_out(asked_with), 0.2, TextDelta("yes."))

    assert other.frames[-2]["text"] == "Hm yes."
    assert other.frames[-1]["type"] == "done"


def test_an_answer_ends_with_the_session_of_whoever_asked(
    sockets: Sockets, client: Client, task: Task
) -> None:
    done: list[str] = []

    answer(
        sockets,
        task,
        TextDelta("Hm "),
        lambda: sign_out(client.caller),
        0.3,
        TextDelta("now "),
        lambda: done.append("the cart is changed"),
    )

    assert done == []
    assert client.frames[-1]["code"] == "SIGNED_OUT"
    assert kept(task).state is TurnState.FAILED


def test_whoever_signed_out_before_a_worker_came_is_not_answered(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sign_out(client.caller)
    agent = ScriptedAgent()

    sockets.answering(agent).answer(task, 5)

    assert agent.questions == []
    assert client.frames[-1]["code"] == "SIGNED_OUT"


@pytest.mark.parametrize("failure", [ModelUnavailable("not now"), ValueError("no sense")])
def test_a_summary_that_fails_fails_nothing_else(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.turns.WINDOW", 2)
    agent = ScriptedAgent(TextDelta("Yes."))

    def refuse(*_: Any) -> str:
        raise failure

    monkeypatch.setattr(agent, "summarise", refuse)
    more: dict[str, str] = {}
    for number in range(3):
        [started] = client.send(take_message, text=str(number), **more)
        more = {"conversationId": started["conversationId"]}
        sockets.work(agent)

    assert sockets.lines.types(client.id).count("done") == 3


def test_a_summary_that_takes_too_long_does_not_outlive_its_worker(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.turns.WINDOW", 1)
    agent, let_go = ScriptedAgent(TextDelta("Yes.")), Event()
    monkeypatch.setattr(agent, "summarise", lambda *_: let_go.wait(10))
    ended: list[str] = []
    client.send(take_message, text="Hello")
    began = time.monotonic()

    sockets.work(agent, seconds=0.5)
    ended.append(client.frames[-1]["type"])

    assert time.monotonic() - began < 5
    assert ended == ["done"]
    let_go.set()
