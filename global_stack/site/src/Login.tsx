// The way in: a page of its own at first, a dialog over the view when a session has ended.
import { useEffect, useRef, useState, type FormEvent } from "react";
import { logIn } from "./api.ts";
import { useWords } from "./parts.tsx";
import { enter, leave, type Session } from "./session.ts";

export function Login(props: { session: Session }) {
  return props.session.state === "expired" ? <Again username={props.session.username} /> : <Welcome />;
}

function Welcome() {
  const { words } = useWords();
  return (
    <main className="welcome" id="content">
      <div className="card welcome-card">
        <Mark />
        <h1>{words.brand}</h1>
        <p className="quiet">{words.welcome}</p>
        <Credentials username="" />
      </div>
    </main>
  );
}

function Again(props: { username: string }) {
  const { words } = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    dialog.current?.querySelector<HTMLInputElement>("[name=password]")?.focus();
  }, []);
  return (
    <dialog ref={dialog} className="again" aria-labelledby="again-title" onCancel={(event) => event.preventDefault()}>
      <h2 id="again-title">{words.expiredTitle}</h2>
      <p className="quiet">{words.expiredText}</p>
      <Credentials username={props.username} />
      <button type="button" className="link" onClick={leave}>
        {words.otherAccount}
      </button>
    </dialog>
  );
}

function Credentials(props: { username: string }) {
  const { words } = useWords();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const username = (form.elements.namedItem("username") as HTMLInputElement).value.trim();
    // Read from its field and sent: it is in no state, no storage and no log.
    const password = form.elements.namedItem("password") as HTMLInputElement;
    setBusy(true);
    setTrouble(null);
    const answer = await logIn(username, password.value);
    setBusy(false);
    password.value = "";
    if (answer.ok) return enter(username, answer.body.access_token);
    const { kind } = answer.failure;
    const refused = kind === "unauthorized" || kind === "refused";
    setTrouble(refused ? words.wrongLogin : kind === "throttled" ? words.throttledLogin : words.trouble[kind]);
    password.focus();
  };

  return (
    <form className="credentials" onSubmit={(event) => void submit(event)}>
      <label>
        {words.username}
        <input
          name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} required maxLength={200}
          defaultValue={props.username} readOnly={props.username !== ""} autoFocus={props.username === ""}
        />
      </label>
      <label>
        {words.password}
        <input
          name="password" type="password" autoComplete="current-password" required maxLength={200}
        />
      </label>
      <p className="trouble" role="alert">
        {trouble}
      </p>
      <button type="submit" className="primary" disabled={busy}>
        {busy ? words.entering : words.enter}
      </button>
    </form>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M7 11h11M7 16h8M7 21h11M19 10l6 6-6 6" />
    </svg>
  );
}
