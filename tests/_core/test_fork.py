"""Processes made while other threads fit: by fork, forkserver and spawn."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# Python warns since 3.12 that a process with threads forks, which is what is tested.
HEAD = """
import faulthandler, multiprocessing, os, sys, threading, time, warnings
from statsmodels_mixed import LinearMixedModel, GeneralizedLinearMixedModel, datasets
from statsmodels_mixed._core import one_blas_thread, threads
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def model():
    return LinearMixedModel.from_formula(
        "reaction ~ days + (days | subj)", datasets.load("sleepstudy"))

def objective(_):
    faulthandler.dump_traceback_later(30, exit=True)
    counts = [get() for get, _ in threads._controls()]
    return model().fit().objective, counts

class Busy:
    '''Threads that fit until the block ends.'''
    def __enter__(self):
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(3)]
        for thread in self.threads:
            thread.start()
    def work(self):
        own = model()
        while not self.ended.is_set():
            own.objective([1.0, 0.0, 1.0])
    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()
"""


def run(body: str) -> str:
    """Run a program and return what it prints; it fails if it is not done in time."""
    program = HEAD + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@FORK
def test_a_child_of_a_process_that_fits_does_not_wait_for_it():
    # with a lock that stayed as the parent's threads held it, every few children hung
    out = run(
        """
        wanted = model().fit().objective
        with Busy():
            codes = []
            for _ in range(30):
                pid = os.fork()
                if pid == 0:
                    faulthandler.dump_traceback_later(20, exit=True)
                    with one_blas_thread():
                        pass
                    os._exit(0 if model().objective([1.0, 0.0, 1.0]) > 0 else 3)
                codes.append(os.waitpid(pid, 0)[1])
        print(sorted(set(codes)))
        """
    )
    assert out == "[0]\n"


@FORK
def test_a_child_has_the_blas_threads_of_before_the_fits():
    # two libraries that only count, since a machine of one core has one thread anyway
    out = run(
        """
        from statsmodels_mixed._core import fork_gate
        fork_gate.PATIENCE = 0.0
        numbers = [4, 2]
        def control(i):
            return lambda: numbers[i], lambda count: numbers.__setitem__(i, count)
        threads._controls = lambda: (control(0), control(1))

        def child(what):
            pid = os.fork()
            if pid == 0:
                try:
                    what()
                except BaseException as error:
                    print(repr(error), file=sys.stderr)
                    os._exit(1)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0

        inside, leave = threading.Event(), threading.Event()
        def other():
            with one_blas_thread():
                inside.set()
                leave.wait()
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
        assert numbers == [1, 1]

        def free():
            assert numbers == [4, 2], numbers
            with one_blas_thread():
                assert numbers == [1, 1], numbers
            assert numbers == [4, 2], numbers
        child(free)
        assert numbers == [1, 1]  # the parent goes on as it was

        with one_blas_thread():
            def within():
                assert numbers == [1, 1], numbers  # this thread is inside itself
            child(within)
        leave.set()
        thread.join()
        assert numbers == [4, 2]

        block = one_blas_thread()
        block.__enter__()
        def ends():
            block.__exit__(None, None, None)
            assert numbers == [4, 2], numbers
        child(ends)
        block.__exit__(None, None, None)
        assert numbers == [4, 2]
        print("done")
        """
    )
    assert out == "done\n"


@FORK
def test_a_fork_waits_while_another_thread_sets_a_number_of_threads():
    out = run(
        """
        setting = threading.Event()
        def slowly(count):
            setting.set()
            time.sleep(0.3)
            changed.append(count)
        changed = []
        threads._controls = lambda: ((lambda: 2, slowly),)
        def fit():
            with one_blas_thread():
                time.sleep(1)
        thread = threading.Thread(target=fit)
        thread.start()
        setting.wait()
        pid = os.fork()
        if pid == 0:
            # the other thread had finished setting, and this process has undone it
            os._exit(0 if changed == [1, 2] else 1)
        code = os.waitpid(pid, 0)[1]
        thread.join()
        print(code, changed)
        """
    )
    assert out == "0 [1, 2]\n"


@FORK
def test_a_fork_waits_until_no_other_thread_is_in_blas():
    # OpenBLAS keeps buffers under a lock: one in two hundred children found it locked for ever
    out = run(
        """
        from statsmodels_mixed._core import blas_threads, waiting_for_threads
        from statsmodels_mixed._core.fork_gate import gate

        def seen_by_child():
            pid = os.fork()
            if pid == 0:
                with one_blas_thread():
                    os._exit(len(done))
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        def product():
            inside.set()
            time.sleep(0.3)
            done.append(1)

        def in_a_block(block):
            with block:
                product()

        def pausing():
            with one_blas_thread():
                product()
                gate.pause()  # the fork is made here
                done.append(2)

        def waiting():
            with one_blas_thread(), waiting_for_threads():
                inside.set()
                ended.wait()
                done.append(1)

        for work, *arguments in (
            (in_a_block, one_blas_thread()),
            (in_a_block, blas_threads(10**6)),
            (pausing,),
            (waiting,),
        ):
            inside, ended, done = threading.Event(), threading.Event(), []
            thread = threading.Thread(target=work, args=arguments)
            thread.start()
            inside.wait()
            begin = time.monotonic()
            with one_blas_thread():  # that the thread which forks is inside itself matters not
                seen = seen_by_child()
            assert time.monotonic() - begin < 0.9
            ended.set()
            thread.join()
            print(work.__name__, seen, done)
        """
    )
    assert out == "in_a_block 1 [1]\nin_a_block 1 [1]\npausing 1 [1, 2]\nwaiting 0 [1]\n"


@pytest.mark.parametrize(
    "method",
    [pytest.param("fork", marks=FORK), pytest.param("forkserver", marks=FORK), "spawn"],
)
def test_multiprocessing(tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(
        HEAD
        + textwrap.dedent(
            f"""
            if __name__ == "__main__":
                wanted, counts = objective(None)
                faulthandler.cancel_dump_traceback_later()
                context = multiprocessing.get_context("{method}")
                with Busy(), context.Pool(1) as pool:
                    answers = pool.map(objective, range(2))
                assert [get() for get, _ in threads._controls()] == counts
                print(all(answer == (wanted, counts) for answer in answers))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "True\n"
