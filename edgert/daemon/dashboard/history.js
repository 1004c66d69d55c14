// What was heard over the last minutes: a point for each answer, and the configuration's changes.

export const SPAN_S = 300;
const GAP_S = 2.9; // points further apart than this are not joined: nobody knows what was between

export class History {
  points = []; // {t, …figures}, t in seconds of this machine's wall clock
  changes = []; // {t, name, told}: from t on; told by an event, or seen in a status
  ahead_s = 0; // how far the daemon's clock is behind this machine's

  /** Take one status in. */
  add(status, now_s) {
    this.ahead_s = now_s - status.unix_s;
    if (this.points.length && now_s < this.points.at(-1).t) this.clear(); // the clock was set back
    const { telemetry, numbers, wanted } = status;
    const fresh = telemetry && telemetry.age_s < 5 ? telemetry : null;
    this.points.push({
      t: now_s,
      configuration: status.configuration,
      latency: status.latency_s, median: status.latency_median_s, p95: status.latency_p95_s,
      deadline: wanted.limits.deadline_s,
      power: fresh?.power_w ?? null, budget: wanted.limits.power_w, cap: numbers.cap_w ?? null,
      temperature: fresh?.temp_c ?? null, limit: wanted.limits.temp_c,
      forecast: fresh ? status.forecast_c : null, forecast_s: status.forecast_s,
    });
    const last = this.changes.at(-1);
    const told = last?.told && now_s - last.t < 1; // this answer may be older than that event
    if (status.configuration && last?.name !== status.configuration && !told) {
      this.changes.push({ t: now_s, name: status.configuration, told: false });
    }
    this.forget(now_s - SPAN_S - 5);
  }

  /** Take a switch in: when it was is known better than from statuses. */
  addSwitch(event) {
    const t = event.unix_s + this.ahead_s;
    const name = event.facts.to;
    if (typeof name !== "string") return;
    const seen = (each) => !each.told && each.name === name && Math.abs(each.t - t) < 2.5;
    this.changes = this.changes.filter((each) => !seen(each));
    this.changes.push({ t, name, told: true });
    this.changes.sort((a, b) => a.t - b.t);
  }

  forget(before_s) {
    while (this.points.length && this.points[0].t < before_s) this.points.shift();
    while (this.changes.length > 1 && this.changes[1].t < before_s) this.changes.shift();
  }

  clear() {
    this.points = [];
    this.changes = [];
  }

  /** Stretches [from, to] without an answer, the time before the page was opened included. */
  gaps(now_s) {
    const gaps = [];
    let from = now_s - SPAN_S;
    for (const { t } of this.points) {
      if (t - from > GAP_S) gaps.push([from, t]);
      from = t;
    }
    if (now_s - from > GAP_S) gaps.push([from, now_s]);
    return gaps;
  }

  /** Whether the points of these two indices may be joined by a line. */
  joined(index) {
    return index > 0 && this.points[index].t - this.points[index - 1].t <= GAP_S;
  }

  /** Stretches {from, to, name} of one configuration. */
  bands(now_s) {
    const heard = this.points.at(-1)?.t ?? now_s;
    const end = now_s - heard > GAP_S ? heard : now_s;
    return this.changes.map(({ t, name }, index) => (
      { from: t, to: this.changes[index + 1]?.t ?? end, name }));
  }

  /** The point nearest to a moment; null if nothing was heard around it. */
  nearest(t) {
    let best = null;
    for (const point of this.points) {
      if (!best || Math.abs(point.t - t) < Math.abs(best.t - t)) best = point;
    }
    return best && Math.abs(best.t - t) < GAP_S ? best : null;
  }
}
