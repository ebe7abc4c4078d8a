/* Browsers refuse workers on pages that are opened from a file. The search of this site needs a
   worker, so on such pages a hidden frame takes its place. */
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => this.onmessage?.({ data });
      this.ready = new Promise((resolve, reject) => {
        const script = inner.document.createElement("script");
        script.src = new URL(url, location.href).href;
        script.onload = resolve;
        script.onerror = reject;
        inner.document.body.append(script);
      });
      this.ready.catch(() => this.onerror?.(new Event("error")));
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.onmessage({ data }), () => {});
    }

    terminate() {
      this.frame.remove();
    }
  };
}
