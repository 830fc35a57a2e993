
+x*&{"class_name": "Lambda", "config": {}}