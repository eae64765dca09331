// Fields that are as large as what is in them. Browsers with field-sizing do it by themselves.

const NATIVE = globalThis.CSS?.supports("field-sizing", "content") ?? false;

export function autosize(field) {
  if (NATIVE) return;
  const fit = () => {
    if (field.tagName === "INPUT") {
      field.size = Math.max(2, field.value.length || field.placeholder.length) + 1;
      return;
    }
    field.rows = 1;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  field.addEventListener("input", fit);
  queueMicrotask(fit);
}
