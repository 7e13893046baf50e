/** The time, once a second, for everything that says since when. */
class Clock {
  nowMs = $state(Date.now());
  constructor() {
    setInterval(() => {
      this.nowMs = Date.now();
    }, 1000);
  }
}

export const clock = new Clock();
