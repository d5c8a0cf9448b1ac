// What somebody has written and not sent, kept in this browser for that person and that place.
export class Draft {
  #key

  constructor(place) { this.#key = `draft:${document.body.dataset.me}:${place}` }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.#key)) ?? {}
    } catch {
      return {}
    }
  }

  // Nothing to keep takes away what was kept. A browser that keeps no more is no reason to stop writing.
  keep(draft) {
    try {
      if (draft) localStorage.setItem(this.#key, JSON.stringify(draft))
      else localStorage.removeItem(this.#key)
    } catch (error) {
      if (error.name !== "QuotaExceededError" && error.name !== "SecurityError") throw error
    }
  }
}
