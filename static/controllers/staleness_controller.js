import { Controller } from "@hotwired/stimulus"
import { ago } from "../helpers/times.js"

// While no worker answers, what agents are said to be doing is only what was last known: says so, and since when.
export default class extends Controller {
  static targets = ["since"]

  connect() { this.show() }

  show() {
    const { mode } = document.documentElement.dataset
    this.element.hidden = mode !== "backup"
    const last = document.getElementById("connection").dataset.connectionLastValue
    this.sinceTarget.textContent = last ? `It was last seen ${ago(new Date(last))}.` : "It was never seen."
  }
}
