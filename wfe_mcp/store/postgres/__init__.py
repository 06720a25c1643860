"""The store on PostgreSQL; loaded only where ``WFE_DATABASE_URL`` names one."""
