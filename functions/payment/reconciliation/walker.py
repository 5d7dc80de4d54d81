"""Reconciles windows of time side by side, each page by page.

A run cuts the time since the last one into windows with about as many payments each, and compares
those that are due. It saves a checkpoint for each window after each page; what a run has no time
for, or dies in, is continued by the next one. A window is compared again some times, but only what
was not settled in it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock

from payment.reconciliation.comparison import Comparison
from payment.reconciliation.drift import DriftReporter
from payment.reconciliation.model import (
    LATEST,
    Agenda,
    Checkpoint,
    HasTime,
    Phase,
    RecordPage,
    Report,
    Window,
)
from payment.reconciliation.parallel import for_each
from payment.reconciliation.ports import DriftStore, RazorpayRecords, ReconciledPayments
from payment.service import PaymentService
from supermarket import telemetry
from supermarket.clock import Clock, from_iso, iso
from supermarket.errors import Unavailable
from supermarket.retry import StaleWrite
from supermarket.transaction import BeginTransaction

FIRST_WINDOW = timedelta(days=1)
PAYMENTS_PER_WINDOW = 2_000
# Razorpay's clock may be late, and so may be its lists
OVERLAP = timedelta(minutes=1)
MAX_WINDOWS = 3_000  # of an agenda, which is one row; later ones are added by a later run
WORKERS = 8  # with a second for a call, they make as many calls as the pace allows
SECOND, LAST_MOMENT = timedelta(seconds=1), timedelta(milliseconds=1)
# by then every order of a window is paid or expired
CONFIRMED_THE_TIME = 2

type OnProgress = Callable[[Report], None] | None


@dataclass
class _Run:
    """What one run shares among its workers."""

    agenda: Agenda
    has_time: HasTime
    on_progress: OnProgress
    report: Report = field(default_factory=Report)
    progress: dict[Window, Checkpoint] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    is_stopped: bool = False

    def goes_on(self) -> bool:
        return not self.is_stopped and self.has_time()

    def add(self, window: Window, checkpoint: Checkpoint, counted: Report) -> None:
        """Add a step of a window and what was counted in it."""
        with self.lock:
            self.progress[window] = checkpoint
            self.report.compared += checkpoint.compared > window.compared
            self.report.counts += counted.counts
            counted.counts.clear()
            if self.on_progress:
                self.on_progress(self.report)

    def count(self, outcome: str) -> None:
        with self.lock:
            self.report.counts[outcome] += 1

    def stop(self, failure: Unavailable) -> None:
        """Let no worker begin another step."""
        with self.lock:
            if not self.is_stopped:
                self.is_stopped = True
                self.report.counts["stopped"] += 1
                problem = {"problem": failure.message}
                telemetry.logger.error("reconciliation stopped", extra=problem)


@dataclass(frozen=True)
class Reconciliation:
    """Compares the shop's payments with Razorpay's records. Runs may overlap and be repeated."""

    payments: ReconciledPayments
    records: RazorpayRecords
    updates: PaymentService
    store: DriftStore
    begin: BeginTransaction
    clock: Clock
    workers: int = WORKERS

    def catch_up(self, has_time: HasTime) -> Report:
        """Reconcile everything since the last run, as far as there is time for it."""
        # the present second may still get records, which would shift the pages
        until = self.clock().replace(microsecond=0) - LAST_MOMENT
        try:
            agenda = self._continue(until)
        except StaleWrite:
            return _superseded()
        return self._run(agenda, has_time, None)

    def reconcile(
        self, since: datetime, until: datetime, has_time: HasTime, on_progress: OnProgress = None
    ) -> Report:
        """Reconcile a given window, or continue an unfinished run of the same window."""
        name = f"{iso(since)}/{iso(until)}"
        agenda = self.store.find_agenda(name)
        try:
            if agenda is None or not agenda.windows:
                windows = tuple(self._cut(since, until))
                plan, version = (agenda.plan, agenda.version) if agenda else (0, 0)
                agenda = Agenda(name, until, windows, plan=plan + 1, version=version + 1)
                self.store.save_agenda(agenda)
        except StaleWrite:
            return _superseded()
        return self._run(agenda, has_time, on_progress)

    def _continue(self, until: datetime) -> Agenda:
        """Add the time since the last run to the latest agenda. Raises `StaleWrite`."""
        agenda = self.store.find_agenda(LATEST)
        if agenda is None:
            windows = tuple(islice(self._cut(until - FIRST_WINDOW, until), MAX_WINDOWS))
            agenda = Agenda(LATEST, windows[-1].until, windows)
        elif agenda.until < until and len(agenda.windows) < MAX_WINDOWS:
            new = self._cut(agenda.until + LAST_MOMENT - OVERLAP, until)
            windows = (*agenda.windows, *islice(new, MAX_WINDOWS - len(agenda.windows)))
            agenda = replace(
                agenda, until=windows[-1].until, windows=windows, version=agenda.version + 1
            )
        else:
            return agenda
        self.store.save_agenda(agenda)
        return agenda

    def _cut(self, since: datetime, until: datetime) -> Iterator[Window]:
        """Cut a time, at full seconds, into windows with about as many payments each."""
        keys = self.payments.list_keys_between(since, until)
        for key in islice(keys, PAYMENTS_PER_WINDOW - 1, None, PAYMENTS_PER_WINDOW):
            end = from_iso(key.partition("#")[0]).replace(microsecond=0) + SECOND
            if since < end <= until:
                yield Window(since, end - LAST_MOMENT)
                since = end
        yield Window(since, until)

    def _run(self, agenda: Agenda, has_time: HasTime, on_progress: OnProgress) -> Report:
        windows = agenda.due(self.clock())
        run = _Run(agenda, has_time, on_progress, Report(agenda=agenda, windows=len(windows)))
        for_each(windows, lambda window: self._work_on(window, run), self.workers)
        report = run.report
        report.is_finished = report.compared == len(windows)
        report.agenda = agenda.with_progress(run.progress)
        if report.agenda.windows != agenda.windows:
            try:
                self.store.save_agenda(report.agenda)
            except StaleWrite:
                # another run has saved it; its windows have their own checkpoints
                report.counts["superseded"] += 1
        return report

    def _work_on(self, window: Window, run: _Run) -> None:
        """Compare a window as far as there is time; a failure concerns no other window."""
        try:
            self._compare(window, run)
        except StaleWrite:
            # another run moved the checkpoint, and continues from there
            run.count("superseded")
        except Unavailable as failure:
            run.stop(failure)
        except Exception:
            telemetry.logger.exception("window not compared", extra={"since": iso(window.since)})
            run.count("failed")

    def _compare(self, window: Window, run: _Run) -> None:
        counted, drift = Report(), DriftReporter(self.store, self.begin, self.clock)
        comparison = Comparison(self.payments, self.records, self.updates, drift, counted)
        name = run.agenda.name_of(window)
        checkpoint = self.store.find_checkpoint(name) or Checkpoint(name)
        if checkpoint.compared > window.compared:
            # by a run that died before it saved the agenda
            run.add(window, checkpoint, counted)
        while checkpoint.compared == window.compared and run.goes_on():
            moved = _take_step(window, checkpoint, comparison)
            found = checkpoint.found + counted.found
            checkpoint = replace(moved, found=found, version=checkpoint.version + 1)
            self.store.save_checkpoint(checkpoint)
            run.add(window, checkpoint, counted)


def _take_step(window: Window, at: Checkpoint, comparison: Comparison) -> Checkpoint:
    """Compare one page of the present list, or all of a list that is compared as a set."""
    page = RecordPage(window.since, window.until, at.position)
    if at.phase is Phase.ATTEMPTS:
        seen, still_open = comparison.compare_attempts(page)
        before = at.open_attempts if at.position else 0
        return replace(at, open_attempts=before + still_open).moved(seen)
    if at.phase is Phase.REFUNDS:
        seen = comparison.compare_refunds(page)
        return replace(at, refunds=at.position + seen).moved(seen)
    if at.phase is Phase.ORDERS:
        return replace(at, orders=comparison.compare_orders(window)).next_phase()
    comparison.compare_unsettled(window, at.orders)
    if at.compared == CONFIRMED_THE_TIME:
        comparison.confirm_orders(window)
    return at.next_phase()


def _superseded() -> Report:
    report = Report()
    report.counts["superseded"] += 1
    return report
