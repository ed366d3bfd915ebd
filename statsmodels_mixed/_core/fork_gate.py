"""A gate before BLAS, closed while a process forks.

OpenBLAS keeps its buffers under a lock that a fork copies as it is. A child made while another
thread of its parent held that lock waits for ever at its first product of matrices. Threads
therefore pass a gate before they call BLAS; a fork closes it and waits until those inside have
come out, or have reached a place where they can pause.
"""

from __future__ import annotations

import threading

__all__ = ["gate"]

# Seconds that a fork waits for others at most, should they wait for the thread that forks.
PATIENCE = 1.0


class Gate:
    """Knows the threads inside, and keeps others out while a thread forks."""

    def __init__(self) -> None:
        # How many times each thread has entered without leaving. A thread changes its own entry
        # only, in steps that no other can come between, so that passing takes no lock.
        self._inside: dict[int, int] = {}
        self._forget()

    def _forget(self) -> None:
        own = threading.get_ident()
        self._inside = {own: self._inside[own]} if own in self._inside else {}
        self._changed = threading.Condition()
        self._forks = 0

    def enter(self) -> None:
        """Go in, after a fork that is being made; a thread inside already goes in at once."""
        own, inside = threading.get_ident(), self._inside
        if own in inside:
            inside[own] += 1
            return
        inside[own] = 1
        # Looked at afterwards: a fork that began before has this thread wait, one that begins
        # now waits for this thread.
        if self._forks:
            self._let_forks_pass(own)

    def _let_forks_pass(self, own: int) -> None:
        """Be outside until no fork is being made."""
        with self._changed:
            depth = self._inside.pop(own)
            self._changed.notify_all()
            while self._forks:
                self._changed.wait()
            self._inside[own] = depth

    def leave(self) -> None:
        """Undo one `enter` of this thread."""
        own, inside = threading.get_ident(), self._inside
        if inside[own] > 1:
            inside[own] -= 1
        else:
            self.step_out()

    def pause(self) -> None:
        """Let a fork be made now; the running thread has nothing of BLAS in use."""
        own = threading.get_ident()
        if self._forks and own in self._inside:
            self._let_forks_pass(own)

    def step_out(self) -> int:
        """Leave as often as this thread has entered; return how often that was."""
        depth = self._inside.pop(threading.get_ident(), 0)
        if self._forks:
            with self._changed:
                self._changed.notify_all()
        return depth

    def step_in(self, depth: int) -> None:
        """Undo `step_out`."""
        if depth:
            self.enter()
            self._inside[threading.get_ident()] = depth

    def close(self) -> None:
        """Keep others out, wait until they are, and hold the gate: called before a fork."""
        self._changed.acquire()
        self._forks += 1
        own = threading.get_ident()
        self._changed.wait_for(lambda: len(self._inside) == (own in self._inside), PATIENCE)

    def open(self) -> None:
        """Let others in again: called in the parent after a fork."""
        self._forks -= 1
        self._changed.notify_all()
        self._changed.release()

    def open_in_child(self) -> None:
        """Forget the threads that do not exist here."""
        self._forget()


gate = Gate()
