"""How closely our numbers must agree with independent ones, named once.

An objective that is e above its minimum leaves the covariance parameters uncertain by about
sqrt(e), so they and what depends on them are compared more loosely than the objective.
"""

from __future__ import annotations

# The objective at its minimum: relative, and how far above a reference it may ever be.
OBJECTIVE = 1e-7
OBJECTIVE_ABOVE = 1e-6

# The objective and its parts at one and the same theta: relative. Software that orders the
# same sums otherwise differs by rounding only.
EVALUATION = 1e-10

# Estimates, relative.
THETA = 1e-4
BETA = 1e-5
STANDARD_ERROR = 1e-5
SIGMA = 1e-6
LEVERAGE_SUM = 1e-6

# Functions of theta, relative.
VARIANCE_COMPONENT = 1e-4
CONDITIONAL_MODE = 1e-4
CONDITIONAL_VARIANCE = 1e-4
DETERMINANT = 1e-5
FITTED = 1e-6

# Numbers that would be the same in exact arithmetic, as after a change of units: relative.
INVARIANCE = 1e-6
