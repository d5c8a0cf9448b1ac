import { Controller } from "@hotwired/stimulus"
import { notifications } from "../helpers/notifications.js"

const WORDS = { on: "Do not notify me here", off: "Notify me here", refused: "This browser refuses notifications" }

// The button that asks the browser for its notifications, and ends them.
export default class extends Controller {
  connect() {
    notifications.addEventListener("change", this.#show)
    this.#show()
  }

  disconnect() { notifications.removeEventListener("change", this.#show) }

  toggle() { notifications.toggle() }

  #show = () => {
    const { state } = notifications
    this.element.hidden = state === "missing"
    this.element.disabled = state === "refused"
    this.element.querySelector("span").textContent = WORDS[state] ?? ""
  }
}
