/**
 * One job, live: snapshot, then one socket from the snapshot's cursor on, events in order and none missing.
 *
 * Framework-free. Everything outside (network, clock, chance, visibility) comes in through `Surroundings`, so that
 * tests can drive it by hand.
 */
import type { Snapshot } from "../api/types";
import { CLOSED_FOR_GOOD, type Frame, type JobEvent } from "./frames";
import { applyEvents, type JobView, viewOfSnapshot } from "./view";

export type StreamStatus =
  | "loading"
  | "live"
  | "reconnecting"
  | "paused"
  | "failed"
  | "signed-out"
  | "not-found"
  | "access-ended";

export interface StreamState {
  status: StreamStatus;
  view: JobView | null;
  /** Why the snapshot could not be loaded; empty unless status is "failed" or nothing could be loaded yet. */
  error: unknown;
}

export interface SocketLike {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  readonly readyState: number;
  send(data: string): void;
  close(): void;
}

const CONNECTING = 0;

export interface Surroundings {
  loadSnapshot(signal: AbortSignal): Promise<Snapshot>;
  openSocket(since: number): SocketLike;
  /** Milliseconds, monotonic. */
  now(): number;
  random(): number;
  setTimer(callback: () => void, milliseconds: number): number;
  clearTimer(timer: number): void;
  /** Runs the callback before the next paint; never in a hidden tab. */
  nextFrame(callback: () => void): void;
  /** True for errors after which loading again cannot help (no such job, not signed in). */
  isFinal(error: unknown): boolean;
}

/** At most about eight repaints a second: the eye sees no more of a chart, and the processor is spared. */
const PUBLISH_EVERY_MS = 120;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 20_000;
const PING_EVERY_MS = 20_000;
const SILENCE_MS = 15_000;
const GAPS_UNTIL_RELOAD = 3;

export class JobStream {
  private state: StreamState = { status: "loading", view: null, error: null };
  private readonly listeners = new Set<() => void>();
  private socket: SocketLike | null = null;
  private pending: JobEvent[] = [];
  private view: JobView | null = null;
  private failures = 0;
  private gaps = 0;
  private lastPublished = Number.NEGATIVE_INFINITY;
  private publishTimer: number | null = null;
  private retryTimer: number | null = null;
  private pingTimer: number | null = null;
  private silenceTimer: number | null = null;
  private loading: AbortController | null = null;
  private stopped = true;

  constructor(private readonly around: Surroundings) {}

  readonly getState = (): StreamState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    if (this.view) this.connect();
    else void this.load();
  }

  /** For good or until `start`: closes the socket and forgets all timers; the view stays. */
  stop(): void {
    this.stopped = true;
    this.loading?.abort();
    this.closeSocket();
    for (const timer of [this.retryTimer, this.publishTimer])
      if (timer !== null) this.around.clearTimer(timer);
    this.retryTimer = this.publishTimer = null;
  }

  /** A hidden tab holds no socket and does no work; on return it catches up from its cursor. */
  pause(): void {
    if (this.stopped) return;
    this.stop();
    this.publish("paused");
  }

  resume(): void {
    if (this.state.status === "paused") this.start();
  }

  retryNow(): void {
    if (this.stopped || this.socket || this.loading) return;
    if (this.retryTimer !== null) this.around.clearTimer(this.retryTimer);
    this.retryTimer = null;
    if (this.view) this.connect();
    else void this.load();
  }

  private async load(): Promise<void> {
    const loading = new AbortController();
    this.loading = loading;
    try {
      const snapshot = await this.around.loadSnapshot(loading.signal);
      if (loading.signal.aborted) return;
      this.loading = null;
      const milestones = this.view ? this.view.milestones + 1 : 0;
      this.view = { ...viewOfSnapshot(snapshot), milestones };
      this.pending = [];
      this.gaps = 0;
      this.publish(this.state.status === "loading" ? "live" : this.state.status);
      this.connect();
    } catch (error) {
      if (loading.signal.aborted) return;
      this.loading = null;
      if (this.around.isFinal(error)) this.publish("failed", error);
      else this.retryLater(error);
    }
  }

  private connect(): void {
    if (this.stopped || !this.view) return;
    const socket = this.around.openSocket(this.view.cursor);
    this.socket = socket;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.failures = 0;
      this.publish("live");
      this.heard();
    };
    socket.onmessage = (event) => {
      if (socket === this.socket) this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.socket) this.closed(event.code);
    };
  }

  private receive(data: unknown): void {
    this.heard();
    const frame = typeof data === "string" ? (JSON.parse(data) as Frame) : null;
    if (frame?.type === "events") {
      this.pending.push(...frame.events);
      this.publishSoon();
    } else if (frame?.type === "resync") {
      this.closeSocket();
      void this.load();
    }
  }

  private closed(code: number): void {
    this.closeSocket();
    this.applyPending();
    const final = CLOSED_FOR_GOOD.get(code);
    if (final) this.publish(final);
    else if (!this.stopped) this.retryLater(null);
  }

  private retryLater(error: unknown): void {
    // Full jitter: after a restart of the server its viewers do not all come back in the same moment.
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures += 1;
    this.publish(this.view ? "reconnecting" : "loading", error);
    this.retryTimer = this.around.setTimer(
      () => {
        this.retryTimer = null;
        if (this.view) this.connect();
        else void this.load();
      },
      ceiling * (0.25 + 0.75 * this.around.random()),
    );
  }

  private closeSocket(): void {
    for (const timer of [this.pingTimer, this.silenceTimer])
      if (timer !== null) this.around.clearTimer(timer);
    this.pingTimer = this.silenceTimer = null;
    const socket = this.socket;
    this.socket = null;
    // Closing one that is about to open makes browsers complain on the console; it closes as soon as it has.
    if (socket?.readyState === CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }

  /** A connection that died without a word is found out by a ping that stays unanswered. */
  private heard(): void {
    for (const timer of [this.pingTimer, this.silenceTimer])
      if (timer !== null) this.around.clearTimer(timer);
    this.silenceTimer = null;
    this.pingTimer = this.around.setTimer(() => {
      this.socket?.send('{"type":"ping"}');
      this.silenceTimer = this.around.setTimer(() => this.closed(1006), SILENCE_MS);
    }, PING_EVERY_MS);
  }

  private publishSoon(): void {
    if (this.publishTimer !== null) return;
    const wait = Math.max(0, this.lastPublished + PUBLISH_EVERY_MS - this.around.now());
    this.publishTimer = this.around.setTimer(() => {
      this.around.nextFrame(() => {
        this.publishTimer = null;
        if (this.stopped) return;
        const gap = this.applyPending();
        this.publish(this.state.status);
        if (gap) this.recover();
      });
    }, wait);
  }

  /** Returns whether an event is missing; what comes after it is fetched again. */
  private applyPending(): boolean {
    if (!this.view || this.pending.length === 0) return false;
    const { view, gap } = applyEvents(this.view, this.pending);
    this.pending = [];
    if (view !== this.view) this.gaps = 0;
    this.view = view;
    return gap;
  }

  private recover(): void {
    this.gaps += 1;
    this.closeSocket();
    if (this.gaps < GAPS_UNTIL_RELOAD) this.connect();
    else void this.load();
  }

  private publish(status: StreamStatus, error: unknown = null): void {
    this.lastPublished = this.around.now();
    if (status === this.state.status && this.view === this.state.view && error === this.state.error) return;
    this.state = { status, view: this.view, error };
    for (const listener of this.listeners) listener();
  }
}
