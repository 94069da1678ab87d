export default function ({ parentElement, data }) {
  const link = parentElement.querySelector("a");
  link.href = data.url;
  link.download = data.name;
  link.querySelector("span").textContent = data.label;
}
