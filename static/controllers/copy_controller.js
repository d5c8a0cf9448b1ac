import { Controller } from "@hotwired/stimulus"
import { copyText } from "../helpers/dom.js"

export default class extends Controller {
  static targets = ["source"]

  copy() { copyText(this.sourceTarget.textContent) }
}
