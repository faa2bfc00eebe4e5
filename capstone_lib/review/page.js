"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  let current = null;

  const refuse = (text) => {
    at("refused").textContent = text;
    at("refused").hidden = !text;
  };
  const wantKey = () => {
    at("key-field").hidden = at("key-hint").hidden = false;
    at("key").focus();
  };
  const ask = async (path, body) => {
    refuse("");
    const key = at("key").value;
    const headers = { "Content-Type": "application/json" };
    if (key) headers.Authorization = "Bearer " + key;
    let answer;
    try {
      answer = await fetch(new URL("review/" + path, document.baseURI), {
        method: "POST", headers, body: JSON.stringify({ reviewer: at("reviewer").value, ...body }),
      });
    } catch {
      refuse("There is no answer; is the endpoint still running? Nothing that was decided is lost.");
      return null;
    }
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) return found;
    refuse(found.detail || "The endpoint answered " + answer.status + ".");
    if (answer.status === 401) wantKey();
    return null;
  };
  const waiting = (n) => (n === 1 ? "1 case waits for you." : n + " cases wait for you.");

  const choice = (one, place) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "choice";
    input.value = String(place);
    label.append(input, document.createTextNode(one.words));
    return label;
  };
  const show = (found, said) => {
    current = found.case;
    at("case").hidden = !current;
    at("said").textContent = (said ? said + " " : "") + (current ? "" : waiting(found.waiting));
    if (!current) return;
    at("shown").innerHTML = current.html; // made and escaped by the endpoint
    at("choices").replaceChildren(...current.choices.map(choice));
    at("note").value = "";
    at("decide").disabled = true;
    at("shown").focus();
  };

  at("who").addEventListener("submit", async (event) => {
    event.preventDefault();
    const found = await ask("next", {});
    if (found) show(found);
  });
  at("choices").addEventListener("change", () => { at("decide").disabled = false; });
  at("case").addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = at("choices").querySelector(":checked");
    if (!chosen || !current) return;
    at("decide").disabled = true;
    const { verdict, label } = current.choices[Number(chosen.value)];
    const found = await ask(encodeURIComponent(current.case_id), { verdict, label, note: at("note").value });
    at("decide").disabled = false;
    if (!found) return;
    show({ case: null, waiting: found.waiting }, found.said);
    at("next").focus();
  });
  at("back").addEventListener("click", async () => {
    const found = current && await ask("back", { case_id: current.case_id });
    if (!found) return;
    show({ case: null, waiting: found.waiting }, "The case is back in the queue.");
    at("next").focus();
  });
})();
