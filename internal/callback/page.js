history.replaceState(null, "", location.origin + location.pathname);
