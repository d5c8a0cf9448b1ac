import { Controller } from "@hotwired/stimulus"

// A switch or a choice that is sent as soon as it is changed.
export default class extends Controller {
  submit() { this.element.requestSubmit() }

  // What is empty is not part of an address.
  trim({ formData }) {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name)
  }
}
