"""The thermal model's filter once more, with numpy and matrices: a reference of its own."""

import numpy as np

from edgert.control import thermal_model as published
from edgert.records import ThermalConstants
from tests.control.heated import FIGURES
from tests.test_two_nodes import exponential, matrix_of


class NumpyFilter:
    """An extended Kalman filter over die, sink, air and three logarithms of factors.

    The step is the matrix exponential, its slopes are differences unless `slopes` gives them.
    """

    def __init__(self, constants: ThermalConstants, slopes=None) -> None:
        self.given = np.array([getattr(constants, name) for name in FIGURES])
        self.slopes = slopes or self.differences
        spread = published.GIVEN_SPREAD
        deviations = [0.5, 8.0, 8.0, spread, published.R_SINK_SPREAD, spread]
        self.covariance = np.diag(np.square(deviations))
        self.state = np.full(6, np.nan)

    def constants(self, state) -> np.ndarray:
        r_die, r_sink, c_sink = np.exp(state[3:])
        return self.given * [1.0, c_sink, r_die, r_sink]

    def start(self, temp_c: float, power_w: float) -> None:
        _, _, r_die, r_sink = self.given
        sink_c = temp_c - r_die * power_w
        self.state = np.array([temp_c, sink_c, sink_c - r_sink * power_w, 0.0, 0.0, 0.0])

    def step(self, state, duration_s: float, power_w: float):
        constants = self.constants(state)
        _, _, r_die, r_sink = constants
        sink_end = state[2] + r_sink * power_w
        end = np.array([sink_end + r_die * power_w, sink_end])
        left = exponential(matrix_of(*constants) * duration_s)
        after = state.copy()
        after[:2] = end + left @ (state[:2] - end)
        return after

    def differences(self, state, duration_s: float, power_w: float):
        columns = []
        for place in range(6):
            shift = np.zeros(6)
            shift[place] = 1e-5
            ahead = self.step(state + shift, duration_s, power_w)
            behind = self.step(state - shift, duration_s, power_w)
            columns.append((ahead - behind) / 2e-5)
        return np.array(columns).T

    def observe(self, duration_s: float, temp_c: float, power_w: float) -> None:
        slope = self.slopes(self.state, duration_s, power_w)
        self.state = self.step(self.state, duration_s, power_w)
        self.state[3:] *= 1 - duration_s / published.FORGET_S
        drift = np.zeros(6)
        drift[:3] = [published.DIE_DRIFT_C, published.SINK_DRIFT_C, published.AMBIENT_DRIFT_C]
        self.covariance = slope @ self.covariance @ slope.T + np.diag(drift**2) * duration_s
        for place in range(3, 6):
            if self.covariance[place, place] < published.GIVEN_SPREAD**2:
                self.covariance[place, place] += published.CONSTANT_DRIFT**2 * duration_s
        seen = np.eye(6)[0]
        total = seen @ self.covariance @ seen + published.READING_C**2
        error = temp_c - self.state[0]
        most = 3 * np.sqrt(total)
        gain = self.covariance @ seen / total
        self.state = self.state + gain * np.clip(error, -most, most)
        self.covariance = (np.eye(6) - np.outer(gain, seen)) @ self.covariance
        most_log = published.MOST_LOG_GIVEN
        self.state[3:] = np.clip(self.state[3:], -most_log, most_log)
