import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/api/client";
import type { Snapshot } from "../../src/api/types";
import type { JobEvent } from "../../src/live/frames";
import { JobStream, type SocketLike, type Surroundings } from "../../src/live/stream";
import { applyEvents, viewOfSnapshot } from "../../src/live/view";
import { jobOf, pointsEvent, snapshotOf, trialEvent, trialOf } from "../kit";

class Socket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  sent: string[] = [];
  open = true;
  readyState = 0;
  constructor(readonly since: number) {}
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {
    this.open = false;
  }
  opened(): void {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }
  frame(frame: object): void {
    this.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }
  closed(code: number): void {
    this.open = false;
    this.onclose?.({ code } as CloseEvent);
  }
}

/** A world with a clock that is turned by hand and a server whose feed grows when it is told to. */
class World implements Surroundings {
  time = 0;
  timers = new Map<number, { due: number; callback: () => void }>();
  frames: (() => void)[] = [];
  sockets: Socket[] = [];
  feed: JobEvent[] = [];
  loads = 0;
  refuse: unknown = null;
  private lastTimer = 0;

  now = () => this.time;
  random = () => 0.5;
  isFinal = (error: unknown) => error instanceof ApiError && error.status === 404;
  setTimer = (callback: () => void, milliseconds: number) => {
    this.timers.set(++this.lastTimer, { due: this.time + milliseconds, callback });
    return this.lastTimer;
  };
  clearTimer = (timer: number) => {
    this.timers.delete(timer);
  };
  nextFrame = (callback: () => void) => {
    this.frames.push(callback);
  };
  openSocket = (since: number) => {
    const socket = new Socket(since);
    this.sockets.push(socket);
    return socket;
  };
  loadSnapshot = async (): Promise<Snapshot> => {
    this.loads += 1;
    if (this.refuse) throw this.refuse;
    const { view } = applyEvents(viewOfSnapshot(snapshotOf([trialOf(1)], 0)), this.feed);
    return snapshotOf([...view.trials.values()], this.feed.length, jobOf());
  };

  get socket(): Socket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }
  grow(...events: JobEvent[]): void {
    this.feed.push(...events);
  }
  /** What the server sends on a socket: everything after what it has. */
  deliver(from = this.socket.since): void {
    const events = this.feed.filter((event) => event.seq > from);
    if (events.length) this.socket.frame({ type: "events", events, cursor: this.feed.length });
  }
  async settle(): Promise<void> {
    for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
  }
  async pass(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds;
    for (;;) {
      const next = [...this.timers]
        .filter(([, timer]) => timer.due <= until)
        .sort(([, a], [, b]) => a.due - b.due)[0];
      if (!next) break;
      this.time = Math.max(this.time, next[1].due);
      this.timers.delete(next[0]);
      next[1].callback();
      for (const frame of this.frames.splice(0)) frame();
      await this.settle();
    }
    this.time = until;
    for (const frame of this.frames.splice(0)) frame();
    await this.settle();
  }
}

async function started(): Promise<{ world: World; stream: JobStream }> {
  const world = new World();
  const stream = new JobStream(world);
  stream.start();
  await world.settle();
  world.socket.opened();
  return { world, stream };
}

const done = (seq: number, number: number) =>
  trialEvent(seq, trialOf(number, { state: "Completed", objective: seq / 100 }));

describe("a job's stream", () => {
  it("loads the snapshot, opens one socket at its cursor and applies what comes", async () => {
    const { world, stream } = await started();
    expect(world.socket.since).toBe(0);
    world.grow(done(1, 1), done(2, 2));
    world.deliver();
    await world.pass(200);
    expect(stream.getState().status).toBe("live");
    expect(stream.getState().view?.cursor).toBe(2);
    expect(stream.getState().view?.trials.get(2)?.objective).toBe(0.02);
  });

  it("shows the first event at once and then publishes at most about eight times a second", async () => {
    const { world, stream } = await started();
    await world.pass(1000);
    let published = 0;
    stream.subscribe(() => {
      published += 1;
    });
    for (let seq = 1; seq <= 200; seq += 1) {
      world.grow(pointsEvent(seq, 1, [seq], [seq]));
      world.deliver(seq - 1);
      await world.pass(5);
      if (seq === 1) expect(published).toBe(1);
    }
    expect(published).toBeLessThanOrEqual(9);
    await world.pass(500);
    expect(stream.getState().view?.cursor).toBe(200);
  });

  it("asks again from its cursor when an event is missing", async () => {
    const { world, stream } = await started();
    world.grow(done(1, 1), done(2, 2), done(3, 3));
    world.socket.frame({ type: "events", events: [world.feed[0], world.feed[2]], cursor: 3 });
    await world.pass(200);
    expect(world.sockets).toHaveLength(2);
    expect(world.socket.since).toBe(1);
    world.socket.opened();
    world.deliver();
    await world.pass(200);
    expect(stream.getState().view?.cursor).toBe(3);
  });

  it("loads the snapshot anew when gaps do not heal, and when it is told to resync", async () => {
    const { world } = await started();
    world.grow(done(1, 1), done(2, 2));
    for (let turn = 0; turn < 3; turn += 1) {
      world.socket.frame({ type: "events", events: [world.feed[1]], cursor: 2 });
      await world.pass(300);
    }
    expect(world.loads).toBe(2);
    expect(world.socket.since).toBe(2);
    world.socket.frame({ type: "resync", cursor: 2 });
    await world.pass(10);
    expect(world.loads).toBe(3);
  });

  it("comes back after a broken connection, in growing pauses, from its cursor", async () => {
    const { world, stream } = await started();
    world.grow(done(1, 1));
    world.deliver();
    await world.pass(200);
    const pauses: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const lost = world.sockets.length;
      const since = world.time;
      world.socket.closed(1006);
      expect(stream.getState().status).toBe("reconnecting");
      while (world.sockets.length === lost) await world.pass(50);
      pauses.push(world.time - since);
      expect(world.socket.since).toBe(1);
    }
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(20_000);
    world.socket.opened();
    expect(stream.getState().status).toBe("live");
  });

  it("finds out by a ping that a silent connection is dead", async () => {
    const { world, stream } = await started();
    await world.pass(21_000);
    expect(world.socket.sent).toEqual(['{"type":"ping"}']);
    world.socket.frame({ type: "pong" });
    await world.pass(21_000);
    expect(stream.getState().status).toBe("live");
    await world.pass(16_000);
    expect(world.sockets.length).toBeGreaterThan(1);
  });

  it.each([
    [4401, "signed-out"],
    [4404, "not-found"],
    [4408, "access-ended"],
  ])("does not come back after close code %i", async (code, status) => {
    const { world, stream } = await started();
    world.socket.closed(code as number);
    await world.pass(120_000);
    expect(stream.getState().status).toBe(status);
    expect(world.sockets).toHaveLength(1);
  });

  it("holds no socket and no timer while it is paused, and catches up afterwards", async () => {
    const { world, stream } = await started();
    stream.pause();
    expect(world.socket.open).toBe(false);
    expect(world.timers.size).toBe(0);
    expect(stream.getState().status).toBe("paused");
    world.grow(done(1, 1));
    stream.resume();
    expect(world.socket.since).toBe(0);
    world.socket.opened();
    world.deliver();
    await world.pass(200);
    expect(stream.getState()).toMatchObject({ status: "live", view: { cursor: 1 } });
  });

  it("lets a socket that is about to open do so before it closes it", async () => {
    const { world, stream } = await started();
    world.socket.closed(1006);
    await world.pass(1000);
    const opening = world.socket;
    stream.stop();
    expect(opening.open).toBe(true);
    opening.opened();
    expect(opening.open).toBe(false);
  });

  it("keeps trying to load a snapshot that cannot be had for the moment, but not one that is not there", async () => {
    const world = new World();
    const stream = new JobStream(world);
    world.refuse = new Error("no answer");
    stream.start();
    await world.settle();
    expect(stream.getState()).toMatchObject({ status: "loading", error: world.refuse });
    world.refuse = new ApiError({
      type: "not-found",
      title: "",
      status: 404,
      detail: "No such job.",
      faults: [],
    });
    await world.pass(60_000);
    expect(stream.getState()).toMatchObject({ status: "failed", error: world.refuse });
    const loads = world.loads;
    await world.pass(60_000);
    expect(world.loads).toBe(loads);
  });

  it("misses and doubles nothing, whatever happens to its connections", async () => {
    const happenings = fc.oneof(
      { weight: 6, arbitrary: fc.constant("grow") },
      { weight: 4, arbitrary: fc.constantFrom("deliver", "skip", "open", "pass") },
      { weight: 1, arbitrary: fc.constantFrom("overlap", "kill", "hide", "resync") },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(happenings, { minLength: 10, maxLength: 80 }), async (story) => {
        const { world, stream } = await started();
        for (const what of story) {
          const seq = world.feed.length + 1;
          if (what === "grow") world.grow(seq % 4 ? done(seq, seq) : pointsEvent(seq, 1, [seq], [seq]));
          else if (what === "deliver") world.deliver();
          else if (what === "overlap") world.deliver(Math.max(0, world.socket.since - 2));
          else if (what === "skip")
            world.deliver(Math.max(world.socket.since, stream.getState().view?.cursor ?? 0) + 1);
          else if (what === "kill") world.socket.closed(1006);
          else if (what === "open") world.socket.opened();
          else if (what === "hide") {
            stream.pause();
            stream.resume();
          } else if (what === "resync") world.socket.frame({ type: "resync", cursor: world.feed.length });
          await world.pass(what === "pass" ? 1000 : 30);
        }
        // The connection holds from here on.
        for (let turn = 0; turn < 5; turn += 1) {
          await world.pass(25_000);
          world.socket.opened();
          world.deliver();
          await world.pass(500);
        }
        const state = stream.getState();
        expect(state.status).toBe("live");
        expect(state.view?.cursor).toBe(world.feed.length);
        const expected = applyEvents(viewOfSnapshot(snapshotOf([trialOf(1)], 0)), world.feed).view;
        expect(state.view?.trials).toEqual(expected.trials);
        const steps = state.view?.series.get("f1")?.get(1)?.steps ?? [];
        expect(new Set(steps).size).toBe(steps.length);
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
      }),
      { numRuns: 200 },
    );
  }, 30_000);
});
