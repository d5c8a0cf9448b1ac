import { Controller } from "@hotwired/stimulus"
import { ask } from "../helpers/ask.js"

const TITLE = "Requires executor connection"

// Buttons that ask the executor at once: off while it is away or looks already. What it found comes by the stream.
export default class extends Controller {
  static targets = ["button"]

  buttonTargetConnected() { this.show() }

  async ask({ currentTarget: button, params: { url } }) {
    const answer = await ask(button, url)
    if (answer?.ok) button.toggleAttribute("data-busy", true) // until the page says that it ended
    this.show()
  }

  // A row that moved to another group is no longer the one that opened the drawer: the focus goes to where it is now.
  closed({ newState, target: drawer }) {
    if (newState === "closed" && document.activeElement === document.body) {
      this.element.querySelector(`[popovertarget="${drawer.id}"]`)?.focus()
    }
  }

  show() {
    const { mode } = document.documentElement.dataset
    if (!mode) return // nobody knows yet: it stands as the server wrote it
    for (const button of this.buttonTargets) {
      button.disabled = mode !== "live" || "busy" in button.dataset
      button.title = mode === "live" ? "" : TITLE
    }
  }
}
