-- What a connection sent lately stood within what it knows; now it is a value of its own, and a time has a number.
INSERT INTO kept (name, value)
    SELECT 'pace' || substr(name, 5), json_object(
        'sent', json(
            (SELECT json_group_array(json_array(each.value, 1)) FROM json_each(kept.value, '$.pace.sent') AS each)),
        'held_until', json_extract(value, '$.pace.held_until'))
    FROM kept WHERE name LIKE 'halo %' AND json_type(value, '$.pace.sent') = 'array'
    ON CONFLICT (name) DO NOTHING;
