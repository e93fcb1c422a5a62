-- A server that answers and renders nothing any more.

ALTER TABLE render_servers DROP CONSTRAINT render_servers_state_check;
ALTER TABLE render_servers ADD CONSTRAINT render_servers_state_check
    CHECK (state IN ('ready', 'away', 'draining', 'stuck'));
