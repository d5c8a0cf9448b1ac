import { Controller } from "@hotwired/stimulus"

const YEAR_S = 365 * 24 * 60 * 60

// Day and night: the choice is a cookie, so that the server can render it without a flash.
export default class extends Controller {
  toggle() {
    const root = document.documentElement
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
    root.dataset.theme = dark ? "light" : "dark"
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=${YEAR_S}; samesite=lax`
  }
}
