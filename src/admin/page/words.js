// Times and numbers in words, and elements with text.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const NUMBER = new Intl.NumberFormat("en-GB");

/// A length of time in its two largest units.
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 9) return `${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/// A moment, as the reader's clock shows it; with the day if it is another one.
export function moment(ms, now) {
  return (Math.abs(ms - now) < 43_200_000 ? CLOCK : DAY).format(ms);
}

/// The same without seconds.
export function minute(ms) {
  return MINUTE.format(ms);
}

/// How far the reader's clock is ahead of UTC.
export function zone() {
  const ahead = -new Date().getTimezoneOffset();
  const part = (minutes) => String(Math.floor(minutes)).padStart(2, "0");
  const far = Math.abs(ahead);
  return ahead === 0 ? "UTC" : `UTC${ahead < 0 ? "-" : "+"}${part(far / 60)}:${part(far % 60)}`;
}

/// A number with its thousands apart.
export function number(value) {
  return NUMBER.format(value);
}

/// One or many of a thing.
export function count(value, one, many) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/// The same, as a sentence begins.
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/// The same, as it ends.
export function sentence(text) {
  return /[.?!]$/.test(text) ? capital(text) : `${capital(text)}.`;
}

/// An element with a class and what is in it: texts and elements.
export function element(name, style, ...inside) {
  const made = document.createElement(name);
  if (style) made.className = style;
  made.append(...inside);
  return made;
}

/// Sets the text of an element, if it has another one: what stays is not told again to a screen reader.
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/// Sets an attribute, or takes it away.
export function mark(place, name, value) {
  if (value === null) place.removeAttribute(name);
  else if (place.getAttribute(name) !== value) place.setAttribute(name, value);
}

/// One of the page's signs. It only repeats what a text beside it says.
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}
