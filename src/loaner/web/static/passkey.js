// The only script of these pages: it hands the options to the authenticator and its answer to the form.
const form = document.querySelector("form[data-passkey]");
const problem = form.querySelector("[role=alert]");
form.querySelector("button").addEventListener("click", async () => {
  problem.hidden = true;
  try {
    const options = JSON.parse(form.dataset.options);
    const answer = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    form.elements.proof.value = JSON.stringify(answer.toJSON());
    form.submit();
  } catch (error) {
    problem.textContent = `Your passkey gave no answer (${error.name}). Nothing was changed.`;
    problem.hidden = false;
  }
});
