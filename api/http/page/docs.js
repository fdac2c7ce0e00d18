"use strict";

SwaggerUIBundle({
  dom_id: "#docs",
  url: "/openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // the document is sent to nobody
  persistAuthorization: false, // a key is not kept in the browser
});
