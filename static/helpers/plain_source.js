// The markdown of a message that has no formatting, read back from what is shown; undefined when it may have had some.
const MARKUP = /[*_`\\~&<[\]|]|^\s*([-+=#>]|\d+[.)])/m

export function plainSource(prose) {
  const paragraphs = [...prose.children].map((part) => (part.matches("p") ? paragraph(part) : undefined))
  return paragraphs.includes(undefined) ? undefined : paragraphs.join("\n\n")
}

function paragraph(element) {
  const parts = [...element.childNodes].map(source)
  return parts.includes(undefined) ? undefined : parts.join("")
}

// A break is followed by a line feed of its own. A web address is a link to itself.
function source(node) {
  if (node instanceof Text) return MARKUP.test(node.data) ? undefined : node.data
  if (node.matches("br")) return ""
  if (node.matches(".mention")) return `@${node.dataset.mention}`
  return node.matches("a") && node.getAttribute("href") === node.textContent ? node.textContent : undefined
}
